//! Rewrite steps → calls of the rewriter: the one table of what each action does. The worker makes the calls on
//! Cloudflare's HTMLRewriter, the tests on `lol_html`, the engine that it is made of; neither knows more of an action than
//! what stands here.

use super::media_type::Charset;
use crate::ascii;
use crate::document::{Action, RewriteStep};
use crate::json::write::{Object, member, push_escape, push_text};
use std::borrow::Cow;
use std::fmt::Write;

/// A call of a method of the elements that a selector matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Which elements; of the end of the page, which is no element's: nothing.
    pub select: Cow<'a, str>,
    /// The step's word, for people.
    pub action: &'static str,
    /// The method's name, as HTMLRewriter has it; `addClass` and `removeClass`, which it has not, are [`classes`].
    pub method: &'static str,
    /// Its arguments.
    pub arguments: Vec<Argument<'a>>,
}

/// An argument of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Whether the text before it is HTML, or text that is escaped.
    Content {
        /// Whether it is HTML.
        html: bool,
    },
}

/// Calls as JSON: `[{"select":"h1","do":"set_text","method":"setInnerContent","arguments":["Hello",{"html":false}]}]`.
#[must_use]
pub fn to_json(calls: &[Call<'_>]) -> String {
    let mut text = String::from("[");
    for call in calls {
        if text.len() > 1 {
            text += ",";
        }
        let mut object = Object::begin(&mut text);
        object.text(member!("select"), &call.select);
        object.text(member!("do"), call.action);
        object.text(member!("method"), call.method);
        let mut arguments = String::new();
        for argument in &call.arguments {
            if !arguments.is_empty() {
                arguments += ",";
            }
            match argument {
                Argument::Text(text) => push_text(text, &mut arguments),
                Argument::Content { html: true } => arguments += "{\"html\":true}",
                Argument::Content { html: false } => arguments += "{\"html\":false}",
            }
        }
        object.list(member!("arguments"), &arguments);
        object.end();
    }
    text + "]"
}

/// The calls that carry out a variant's steps on a page of this charset.
#[must_use]
pub fn calls(steps: &[RewriteStep], charset: Charset) -> Vec<Call<'_>> {
    steps.iter().map(|step| call(step, charset)).collect()
}

fn call(step: &RewriteStep, charset: Charset) -> Call<'_> {
    let value = step.value.as_deref().unwrap_or("");
    let name = step.name.as_deref().unwrap_or("");
    let content = |is_html: bool| {
        if charset == Charset::Utf8 || value.is_ascii() {
            vec![Argument::Text(value.into()), Argument::Content { html: is_html }]
        } else {
            let place = Place::of(&step.select);
            let html = if is_html { ascii_html(value, place) } else { ascii_html(&escaped(value), place) };
            vec![Argument::Text(html.into()), Argument::Content { html: true }]
        }
    };
    let (method, arguments) = match step.action {
        Action::SetText => ("setInnerContent", content(false)),
        Action::SetHtml => ("setInnerContent", content(true)),
        Action::Before => ("before", content(step.html)),
        Action::After => ("after", content(step.html)),
        Action::Prepend => ("prepend", content(step.html)),
        Action::Append => ("append", content(step.html)),
        Action::Replace => ("replace", content(step.html)),
        Action::Remove => ("remove", Vec::new()),
        Action::SetAttribute => {
            ("setAttribute", vec![Argument::Text(name.into()), Argument::Text(attribute(value, charset))])
        }
        Action::RemoveAttribute => ("removeAttribute", vec![Argument::Text(name.into())]),
        Action::AddClass => ("addClass", vec![Argument::Text(attribute(value, charset))]),
        Action::RemoveClass => ("removeClass", vec![Argument::Text(attribute(value, charset))]),
    };
    Call { select: step.select.as_str().into(), action: step.action.word(), method, arguments }
}

/// The calls that put something of a visit into a page: the decision for its scripts, the bar of a preview. Of those of
/// elements only the first that meets one of HTML is made: a page may leave out the tags of `<html>`, `<head>` and `<body>`, and what
/// stands before the first of what it has is where a browser puts them.
#[must_use]
pub fn additions(bridge: Option<(&str, bool)>, bar: Option<&str>, charset: Charset) -> Vec<Call<'static>> {
    let mut calls = Vec::new();
    let mut add = |select: &'static str, method, arguments| {
        calls.push(Call { select: select.into(), action: "", method, arguments });
    };
    let html = |html: &str| vec![Argument::Text(html.to_owned().into()), Argument::Content { html: true }];
    match bridge {
        Some((json, true)) => {
            let block = data_block(&ascii_json(json, charset));
            add("head", "prepend", html(&block));
            add("title, body", "before", html(&block));
        }
        Some((json, false)) => {
            // why: the rewriter escapes quotes in an attribute and nothing else, so `&quot;` in a payload would end its
            // string
            let json = ascii_json(json, charset).replace('&', "&amp;");
            // why: of a second tag browsers give its attributes to the element that is there
            let tag = format!("<html data-sortition=\"{}\">", json.replace('"', "&quot;"));
            add("html", "setAttribute", vec![Argument::Text("data-sortition".into()), Argument::Text(json.into())]);
            add("head, title, body", "before", html(&tag));
        }
        None => {}
    }
    if let Some(bar) = bar {
        // why: many pages leave out `</body>`, and some `<body>`; a browser puts what comes last into it anyway
        add("", "append", html(&ascii_html(bar, Place::Markup)));
    }
    calls
}

/// The selectors that on a page meet what `selector` meets, where the elements that it meets there have these `tags`; `None`
/// where they would be no others. Of `h1#headline` the rewriter looks at headings only, of `#headline` at the attributes of
/// every element, which costs more than all else that it does.
///
/// ```
/// use sortition_engine::execution::rewriting::narrowed;
/// assert_eq!(narrowed("main .card", &["div", "li"]), Some(vec!["main div.card".into(), "main li.card".into()]));
/// assert_eq!(narrowed("#gone", &[]), Some(vec![]));
/// assert_eq!(narrowed("h1.hero", &["h1"]), None);
/// ```
#[must_use]
pub fn narrowed(selector: &str, tags: &[&str]) -> Option<Vec<String>> {
    let at = untagged(selector)?;
    // why: a name with other characters would need escapes
    let is_plain = |tag: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        tag.starts_with(|first: char| first.is_ascii_lowercase()) && tag.bytes().all(is_plain)
    };
    if !tags.iter().all(is_plain) {
        return None;
    }
    let (before, last) = selector.split_at_checked(at)?;
    Some(tags.iter().map(|tag| [before, tag, last].concat()).collect())
}

/// Where in a selector the part begins that an element itself must be, if that part names no tag.
fn untagged(selector: &str) -> Option<usize> {
    let (mut at, mut depth, mut quote, mut bytes) = (0, 0_usize, None, selector.bytes().enumerate());
    while let Some((position, byte)) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => drop(bytes.next()),
            (_, Some(open)) => quote = (byte != open).then_some(open),
            (b'"' | b'\'', None) => quote = Some(byte),
            (b'[' | b'(', None) => depth += 1,
            (b']' | b')', None) => depth = depth.saturating_sub(1),
            // why: one list of several, comments, and combinators that the rewriter may learn one day
            (b',' | b'/' | b'+' | b'~' | b'|', None) if depth == 0 => return None,
            (b'>', None) if depth == 0 => at = position + 1,
            (byte, None) if depth == 0 && byte.is_ascii_whitespace() => at = position + 1,
            _ => {}
        }
    }
    matches!(selector.as_bytes().get(at), Some(b'#' | b'.' | b'[' | b':')).then_some(at)
}

/// The `class` of an element that had `old` when a class is added to it or taken away; `None`: the attribute goes. Classes
/// are apart where HTML says so, at white space of ASCII.
#[must_use]
pub fn classes(old: &str, class: &str, adds: bool) -> Option<String> {
    let kept = old.split_ascii_whitespace().filter(|name| *name != class);
    let classes: Vec<&str> = kept.chain(adds.then_some(class)).collect();
    (!classes.is_empty()).then(|| classes.join(" "))
}

/// JSON in a script block that is data: nothing in it can end the block or start another.
fn data_block(json: &str) -> String {
    let mut block = String::from("<script type=\"application/json\" id=\"sortition\">");
    // why: most have none, and to look at each character costs more than all else that is done to them
    if !ascii::has_markup(json) {
        return block + json + "</script>";
    }
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_escape(character, &mut block),
            other => block.push(other),
        }
    }
    block + "</script>"
}

fn ascii_json(json: &str, charset: Charset) -> Cow<'_, str> {
    if charset == Charset::Utf8 || json.is_ascii() {
        return json.into();
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() { text.push(character) } else { push_escape(character, &mut text) }
    }
    text.into()
}

fn attribute(value: &str, charset: Charset) -> Cow<'_, str> {
    if charset == Charset::Utf8 || value.is_ascii() { value.into() } else { ascii_html(value, Place::Markup).into() }
}

/// Text as HTML, as the rewriter escapes it.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}

/// Where text stands in HTML, and so how a character beyond ASCII is written without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As a reference: `&#xe9;`.
    Markup,
    /// In a script, where references mean nothing: `\u00e9`.
    Script,
    /// In a style sheet: `\e9 `.
    Style,
}

impl Place {
    /// Where the content of the elements is that a selector matches.
    fn of(selector: &str) -> Self {
        let last = selector.rsplit([' ', '>', ',']).next().unwrap_or("");
        let tag = last.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        if tag.eq_ignore_ascii_case("script") {
            Self::Script
        } else if tag.eq_ignore_ascii_case("style") {
            Self::Style
        } else {
            Self::Markup
        }
    }

    fn push(self, character: char, out: &mut String) {
        let code = u32::from(character);
        match self {
            _ if character.is_ascii() => out.push(character),
            // why: writing to a String cannot fail, here and below
            Self::Markup => drop(write!(out, "&#x{code:x};")),
            Self::Script => push_escape(character, out),
            Self::Style => drop(write!(out, "\\{code:x} ")),
        }
    }

    /// What ends it, in lower case.
    fn end(self) -> Option<&'static str> {
        match self {
            Self::Markup => None,
            Self::Script => Some("</script"),
            Self::Style => Some("</style"),
        }
    }
}

/// HTML that means the same without a character beyond ASCII.
fn ascii_html(html: &str, start: Place) -> String {
    let mut out = String::with_capacity(html.len() + 16);
    let mut place = start;
    // what follows the tag that is being read
    let mut next = Place::Markup;
    for (at, character) in html.char_indices() {
        if character == '<' {
            let rest = html.get(at..).unwrap_or("");
            let starts = |tag: &str| rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
            match place.end() {
                Some(end) if starts(end) => place = Place::Markup,
                Some(_) => {}
                None if starts("<script") => next = Place::Script,
                None if starts("<style") => next = Place::Style,
                None => next = Place::Markup,
            }
        }
        place.push(character, &mut out);
        if character == '>' && place == Place::Markup {
            place = std::mem::replace(&mut next, Place::Markup);
        }
    }
    out
}
