//! Regular expressions of JavaScript, written so that the document's engine finds the same.

use crate::condition::{Condition, Groups};
use serde_json::json;

/// A text as a pattern that finds it.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$#&-~/".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// What `.` leaves out in JavaScript.
const LINE_ENDS: &str = r"\n\r\u{2028}\u{2029}";
/// What `\s` takes in JavaScript.
const BLANKS: &str = r"\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

/// The pattern for the document.
///
/// # Errors
///
/// Why it cannot come over: look-around, backreferences, and what the two engines read differently.
pub fn from_javascript(source: &str) -> Result<String, String> {
    let mut out = String::with_capacity(source.len());
    let mut characters = source.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('s') if in_class => out.push_str(BLANKS),
                Some('s') => out.push_str(&format!("[{BLANKS}]")),
                Some('S') if !in_class => out.push_str(&format!("[^{BLANKS}]")),
                Some('S') => return Err("the regex has `\\S` inside brackets".to_owned()),
                Some(digit @ '0'..='9') => return Err(format!("the regex refers back with `\\{digit}`")),
                Some(word @ ('c' | 'k' | 'p' | 'P' | 'u' | 'a' | 'A' | 'z' | 'Z' | 'x')) => {
                    return Err(format!("the regex has `\\{word}`, which the two engines read differently"));
                }
                Some(next) if next.is_ascii_alphanumeric() && !"bBdDwWtnrvf".contains(next) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => return Err("the regex ends with a backslash".to_owned()),
            },
            '.' if !in_class => out.push_str(&format!("[^{LINE_ENDS}]")),
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if characters.peek() == Some(&'^') {
                    out.extend(characters.next());
                }
                if characters.peek() == Some(&']') {
                    return Err("the regex has an empty class".to_owned());
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', character]),
            '(' if !in_class && characters.peek() == Some(&'?') => {
                out.push('(');
                out.extend(characters.next());
                match characters.peek() {
                    Some(':') => {}
                    _ => return Err("the regex looks around, or has a named group or flags".to_owned()),
                }
            }
            other => out.push(other),
        }
    }
    let probe = json!({"x": {"$regex": out}});
    match Condition::<Box<str>>::parse(&probe, &Groups::default(), |name| Ok::<_, String>(name.into())) {
        Ok(_) => Ok(out),
        Err(problems) => Err(problems.first().map_or_else(String::new, |problem| problem.message.clone())),
    }
}
