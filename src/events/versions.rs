//! Versions of the models and services that made a page, as the origin tells them: `Sortition-Versions:
//! recommender="2026-11-20", pricing=v7`.
//!
//! A dictionary of RFC 9651, of which strings, tokens, numbers and dates are taken as texts, parameters are ignored, and
//! what is no such item makes all of it count as absent, as the RFC wants.

use super::personal::is_personal;
use crate::json::write::push_text;
use std::collections::BTreeMap;

/// How many versions an exposure names.
pub const MAX_VERSIONS: usize = 16;
/// The longest name and the longest version, in bytes.
pub const MAX_TEXT: usize = 64;
/// The longest header that is read, in bytes.
const MAX_HEADER: usize = 4096;

/// The versions of a header; empty where it is malformed. Names and versions that are too long or look personal, and those
/// behind the first sixteen, are left out.
#[must_use]
pub fn parse(header: &str) -> BTreeMap<String, String> {
    if header.len() > MAX_HEADER {
        return BTreeMap::new();
    }
    let mut input = Input { rest: header.trim_matches(' ') };
    let mut versions = BTreeMap::new();
    while !input.rest.is_empty() {
        let Some((name, version)) = input.member() else { return BTreeMap::new() };
        let fits = |text: &str| text.len() <= MAX_TEXT && !is_personal(text);
        if fits(&name) && version.as_deref().is_some_and(fits) && versions.len() < MAX_VERSIONS {
            versions.insert(name, version.unwrap_or_default());
        }
        input.blanks();
        if input.rest.is_empty() {
            break;
        }
        if !input.take(',') {
            return BTreeMap::new();
        }
        input.blanks();
        // why: a comma at the end is an error
        if input.rest.is_empty() {
            return BTreeMap::new();
        }
    }
    versions
}

/// The versions as JSON, as serde writes them.
#[must_use]
pub fn to_json(header: Option<&str>) -> String {
    header.map_or_else(|| "{}".to_owned(), written)
}

#[inline(never)]
fn written(header: &str) -> String {
    let mut text = String::from("{");
    for (name, version) in parse(header) {
        if text.len() > 1 {
            text += ",";
        }
        push_text(&name, &mut text);
        text += ":";
        push_text(&version, &mut text);
    }
    text + "}"
}

/// What is left of a header.
struct Input<'a> {
    rest: &'a str,
}

impl<'a> Input<'a> {
    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// As many characters as `belongs` says.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        run
    }

    /// A member: its name, and its value where that is a text, a number or a date.
    fn member(&mut self) -> Option<(String, Option<String>)> {
        let name = self.key()?.to_owned();
        // why: a name alone stands for true, which is no version
        let value = if self.take('=') { self.item()? } else { None };
        self.parameters()?;
        Some((name, value))
    }

    fn key(&mut self) -> Option<&'a str> {
        if !self.rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return None;
        }
        Some(self.run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*')))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(';') {
            self.rest = self.rest.trim_start_matches(' ');
            self.key()?;
            if self.take('=') {
                self.item()?;
            }
        }
        Some(())
    }

    /// A bare item; the text of those that are none within.
    fn item(&mut self) -> Option<Option<String>> {
        let first = self.rest.chars().next()?;
        match first {
            '"' => self.string().map(Some),
            '?' => {
                self.take('?');
                (self.take('0') || self.take('1')).then_some(None)
            }
            '@' => {
                self.take('@');
                self.number().map(|number| Some(number.to_owned()))
            }
            '-' | '0'..='9' => self.number().map(|number| Some(number.to_owned())),
            'A'..='Z' | 'a'..='z' | '*' => {
                let token = self.run(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Some(Some(token.to_owned()))
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let number = self.run(|c| c.is_ascii_digit() || matches!(c, '-' | '.'));
        let digits = number.strip_prefix('-').unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let all = |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = match fraction {
            None => all(whole, 15),
            Some(fraction) => all(whole, 12) && all(fraction, 3),
        };
        sound.then_some(number)
    }

    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        characters.next()?;
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => match characters.next()? {
                    (_, escaped @ ('"' | '\\')) => text.push(escaped),
                    _ => return None,
                },
                ' '..='~' => text.push(character),
                _ => return None,
            }
        }
        None
    }
}
