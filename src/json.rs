//! JSON as a visit of a page reads and writes it: small values of others, and small texts of its own.
//!
//! Documents, messages and results are serde's. What is only read here and there in a value of a few lines is not worth
//! what serde brings along in the page's wasm: numbers stay the text that they are until somebody wants one
//! ([`crate::condition::read_decimal`]), and members stay in their order, with those that are there twice.

pub mod write;

use hifijson::token::Lex as _;
use hifijson::{SliceLexer, value};
use std::borrow::Cow;

/// How deep lists and objects may stand in each other: deeper ones would exhaust the stack.
const MOST_DEPTH: usize = 128;

/// A value. Numbers are text; of an object all members are there, in their order.
pub type Value<'a> = value::Value<&'a str, Cow<'a, str>>;

/// The members of an object.
pub type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Reads a text that is one value.
///
/// # Errors
///
/// What is wrong with it, and where.
pub fn read(text: &[u8]) -> Result<Value<'_>, String> {
    let mut lexer = SliceLexer::new(text);
    let value = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| value::parse_bounded(MOST_DEPTH, next, lexer));
    value.map_err(|problem| {
        let before = text.get(..text.len() - lexer.as_slice().len()).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        format!("{problem} at line {line} column {column}")
    })
}

/// Reads a text that is one object.
pub fn object(text: &[u8]) -> Option<Members<'_>> {
    members(read(text).ok()?)
}

/// The members of a value that is an object.
pub fn members(value: Value<'_>) -> Option<Members<'_>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// A member by its name; of several the last, as everybody reads it.
pub fn member<'v, 'a>(members: &'v [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A member that is a text.
pub fn text<'v>(members: &'v [(Cow<'_, str>, Value<'_>)], name: &str) -> Option<&'v str> {
    as_text(member(members, name)?)
}

/// A value that is a number, as it is written.
pub fn number<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::Number((number, _)) => Some(number),
        _ => None,
    }
}

/// A value that is a text.
pub fn as_text<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
