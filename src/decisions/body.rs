//! A body's JSON, read field by field: what is wrong is named.

use serde_json::{Map, Value};

/// The deepest that JSON may nest: serde's own bound, beyond which it refuses.
pub const MAX_DEPTH: usize = 128;

/// A field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path: `units.visitor`.
    pub path: String,
    /// What is wrong, and what to write.
    pub message: String,
}

impl Field {
    pub(super) fn wrong(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The body as an object.
pub(super) fn object(body: &str) -> Result<Map<String, Value>, String> {
    if body.trim().is_empty() {
        return Err("the body is empty: send a JSON object".to_owned());
    }
    match serde_json::from_str(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("the body is {}: send a JSON object", kind(&other))),
        Err(error) => Err(format!("the body is no JSON: {error}")),
    }
}

/// Refuses fields that nobody knows.
pub(super) fn known(object: &Map<String, Value>, at: &str, fields: &[&str]) -> Result<(), Field> {
    match object.keys().find(|field| !fields.contains(&field.as_str())) {
        None => Ok(()),
        Some(field) => {
            let near = crate::suggestion::suggest(field, fields.iter().copied());
            let advice = near
                .map_or_else(|| format!("known are {}", fields.join(", ")), |near| format!("did you mean `{near}`?"));
            let path: String = [at, field].concat().chars().filter(|c| !c.is_control()).take(100).collect();
            Err(Field::wrong(path, format!("there is no such field: {advice}")))
        }
    }
}

/// A text of 1 to `most` bytes without control characters; `None` where the field is absent or null.
pub(super) fn text(object: &Map<String, Value>, at: &str, field: &str, most: usize) -> Result<Option<String>, Field> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(Field::wrong([at, field].concat(), "it is empty")),
        Some(Value::String(text)) if text.len() > most => {
            Err(Field::wrong([at, field].concat(), format!("it is longer than {most} bytes")))
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(Field::wrong([at, field].concat(), "it has a control character"))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Field::wrong([at, field].concat(), format!("it is {}: write a text", kind(other)))),
    }
}

/// A list of texts; empty where the field is absent.
pub(super) fn texts(object: &Map<String, Value>, field: &str, most: usize) -> Result<Vec<String>, Field> {
    let list = match object.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() > most => {
            return Err(Field::wrong(field, format!("it has {} entries: send at most {most}", list.len())));
        }
        Some(Value::Array(list)) => list,
        Some(other) => return Err(Field::wrong(field, format!("it is {}: write a list of texts", kind(other)))),
    };
    let one = |(place, value): (usize, &Value)| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(Field::wrong(format!("{field}[{place}]"), format!("it is {}: write a text", kind(other)))),
    };
    list.iter().enumerate().map(one).collect()
}

/// An object; empty where the field is absent.
pub(super) fn members(object: &Map<String, Value>, at: &str, field: &str) -> Result<Map<String, Value>, Field> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(other) => Err(Field::wrong([at, field].concat(), format!("it is {}: write an object", kind(other)))),
    }
}

/// True or false; false where the field is absent.
pub(super) fn switch(object: &Map<String, Value>, field: &str) -> Result<bool, Field> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(other) => Err(Field::wrong(field, format!("it is {}: write true or false", kind(other)))),
    }
}

/// What kind of JSON a value is, in a sentence.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
