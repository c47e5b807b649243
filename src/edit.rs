//! Small changes to the text of a JSON document: what is not changed stays as it was written, byte for byte.
//!
//! Every command that writes a document uses these, since a reprint would put somebody else's order, indentation and line
//! ends into the diff of a change of one number. What is new follows the style around it: on a line of its own where its
//! neighbours are, else behind them.

use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use std::ops::Range;

/// Sets a field of the object at `path`, such as `experiments[2]`; the empty path is the document. `None` where there is
/// no such object, or where the text is no JSON.
#[must_use]
pub fn set(text: &str, path: &str, field: &str, value: &Value) -> Option<String> {
    let object = find(text, path)?;
    let Kind::Object(members) = &object.kind else { return None };
    if let Some((_, member)) = members.iter().rev().find(|(key, _)| key.name == field) {
        let indent = indent_at(text, member.span.start);
        let written = layout(text, value, indent, spans_lines(text, &member.span) || is_scalar(value));
        return replaced(text, member.span.clone(), &written);
    }
    let last = members.last().map(|(_, member)| member.span.end);
    let first = members.first().map(|(key, _)| key.start);
    let key = Value::from(field).to_string();
    insert(text, &object.span, first, last, |indent, multiline| {
        format!("{key}:{}{}", gap(text, members), layout(text, value, indent, multiline))
    })
}

/// Adds an element to the end of the list at `path`.
#[must_use]
pub fn push(text: &str, path: &str, value: &Value) -> Option<String> {
    let list = find(text, path)?;
    let Kind::List(elements) = &list.kind else { return None };
    let (first, last) = (elements.first().map(|e| e.span.start), elements.last().map(|e| e.span.end));
    insert(text, &list.span, first, last, |indent, multiline| layout(text, value, indent, multiline))
}

/// Takes a field out of the object at `path`, with its comma. A field that is not there is no change.
#[must_use]
pub fn remove(text: &str, path: &str, field: &str) -> Option<String> {
    let object = find(text, path)?;
    let Kind::Object(members) = &object.kind else { return None };
    let Some(at) = members.iter().position(|(key, _)| key.name == field) else { return Some(text.to_owned()) };
    let end_of = |at: usize| members.get(at).map(|(_, member)| member.span.end);
    let start_of = |at: usize| members.get(at).map(|(key, _)| key.start);
    let span = match (at.checked_sub(1).and_then(end_of), start_of(at + 1)) {
        // why: up to the next key, so that a field that stood first leaves the brace and its indentation alone
        (None, Some(next)) => start_of(at)?..next,
        (Some(before), _) => before..end_of(at)?,
        (None, None) => object.span.start + 1..object.span.end.checked_sub(1)?,
    };
    replaced(text, span, "")
}

struct Key {
    name: String,
    start: usize,
    end: usize,
}

struct Node {
    span: Range<usize>,
    kind: Kind,
}

enum Kind {
    Scalar,
    List(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

/// The value that a path names.
fn find(text: &str, path: &str) -> Option<Node> {
    let mut reader = Reader { text: text.as_bytes(), source: text, at: 0 };
    let mut node = reader.value(0)?;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            let Kind::List(elements) = node.kind else { return None };
            node = elements.into_iter().nth(index.parse().ok()?)?;
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        let Kind::Object(members) = node.kind else { return None };
        node = members.into_iter().rev().find(|(key, _)| key.name == name)?.1;
        rest = after;
    }
    Some(node)
}

/// Reads spans of JSON that was parsed before; of anything else it gives up.
struct Reader<'a> {
    text: &'a [u8],
    source: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// As deep as serde_json reads.
    const DEEPEST: usize = 128;

    fn peek(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        let kind_of = self.peek().filter(|_| depth <= Self::DEEPEST)?;
        let start = self.at;
        let kind = match kind_of {
            b'{' => {
                let mut members = Vec::new();
                self.each(b'}', |reader| {
                    let (name, span) = reader.string()?;
                    (reader.peek()? == b':').then(|| reader.at += 1)?;
                    members.push((Key { name, start: span.start, end: span.end }, reader.value(depth + 1)?));
                    Some(())
                })?;
                Kind::Object(members)
            }
            b'[' => {
                let mut elements = Vec::new();
                self.each(b']', |reader| {
                    elements.push(reader.value(depth + 1)?);
                    Some(())
                })?;
                Kind::List(elements)
            }
            b'"' => {
                self.string()?;
                Kind::Scalar
            }
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                while self.text.get(self.at).is_some_and(|byte| !ends(byte)) {
                    self.at += 1;
                }
                Kind::Scalar
            }
        };
        Some(Node { span: start..self.at, kind })
    }

    /// What stands between brackets, comma by comma.
    fn each(&mut self, close: u8, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        while self.peek()? != close {
            one(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                other if other == close => {}
                _ => return None,
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<(String, Range<usize>)> {
        (self.peek()? == b'"').then_some(())?;
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let span = start..self.at;
        Some((serde_json::from_str(self.source.get(span.clone())?).ok()?, span))
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn spans_lines(text: &str, span: &Range<usize>) -> bool {
    text.get(span.clone()).is_some_and(|part| part.contains('\n'))
}

fn replaced(text: &str, span: Range<usize>, by: &str) -> Option<String> {
    Some([text.get(..span.start)?, by, text.get(span.end..)?].concat())
}

/// The white space before what stands at a place, where it is the first of its line; else that of its line.
fn indent_at(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or("");
    let line = before.rsplit('\n').next().unwrap_or("");
    let length = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..length).unwrap_or("")
}

/// One level of indentation, as the document's first indented line has it.
fn unit(text: &str) -> &str {
    let indented = text.lines().find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    indented.map_or("  ", |line| line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("  "))
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// What stands between a colon and its value.
fn gap<'a>(text: &'a str, members: &[(Key, Node)]) -> &'a str {
    let first = members.first();
    let between = first.and_then(|(key, value)| text.get(key.end..value.span.start));
    let after = between.and_then(|between| between.split_once(':')).map(|(_, after)| after);
    match after {
        Some(after) => after,
        None if text.contains('\n') || text.contains(": ") => " ",
        None => "",
    }
}

/// A value as text: over several lines, indented from `indent`, or on one.
fn layout(text: &str, value: &Value, indent: &str, multiline: bool) -> String {
    if !multiline || is_scalar(value) {
        // why: a document on one line has no blanks, or one behind each comma and colon; the shorter is always right
        return value.to_string();
    }
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(unit(text).as_bytes());
    let mut serializer = Serializer::with_formatter(&mut bytes, formatter);
    if serde::Serialize::serialize(value, &mut serializer).is_err() {
        return value.to_string();
    }
    let pretty = String::from_utf8_lossy(&bytes);
    pretty.lines().collect::<Vec<_>>().join(&format!("{}{indent}", line_end(text)))
}

/// Adds something behind the last of what a container holds, in the style of the others.
fn insert(
    text: &str,
    container: &Range<usize>,
    first: Option<usize>,
    last: Option<usize>,
    written: impl FnOnce(&str, bool) -> String,
) -> Option<String> {
    let (Some(first), Some(last)) = (first, last) else {
        let multiline = text.trim_end().contains('\n') || text.get(container.clone())?.contains('\n');
        let (outer, end) = (indent_at(text, container.start), line_end(text));
        let inner = format!("{outer}{}", unit(text));
        let open = text.get(container.start..container.start + 1)?;
        let close = text.get(container.end.checked_sub(1)?..container.end)?;
        let body = written(&inner, multiline);
        let all = if multiline {
            format!("{open}{end}{inner}{body}{end}{outer}{close}")
        } else {
            format!("{open}{body}{close}")
        };
        return replaced(text, container.clone(), &all);
    };
    let lead = text.get(container.start + 1..first)?;
    let indent = indent_at(text, first);
    let all = if lead.contains('\n') {
        format!(",{}{indent}{}", line_end(text), written(indent, true))
    } else {
        let blank = if lead.is_empty() && !text.get(first..last)?.contains(", ") { "" } else { " " };
        format!(",{blank}{}", written(indent, false))
    };
    replaced(text, last..last, &all)
}
