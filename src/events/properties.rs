//! What a shop adds to an outcome: bounded, and without personal data.

use super::personal::{REMOVED, is_personal};
use super::reader::Reader;
use super::versions::{MAX_TEXT as MAX_VERSION, MAX_VERSIONS};
use crate::condition::called;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How deep properties nest.
const MAX_DEPTH: usize = 3;
/// How many values they hold in all.
const MAX_VALUES: usize = 64;
/// The longest name, in bytes.
const MAX_NAME: usize = 64;
/// The longest text, in bytes.
const MAX_TEXT: usize = 512;

/// The largest whole number that every reader of the record knows exactly: 2^53 - 1, as I-JSON has it (RFC 7493). The queue
/// and the archive are written by JavaScript, and engines read JSON's numbers as doubles.
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

/// The field `properties`: texts that look personal are replaced, names that do are refused.
pub(super) fn properties(reader: &mut Reader<'_>) -> Map<String, Value> {
    let field = match reader.get("properties") {
        None => return Map::new(),
        Some(Value::Object(fields)) => fields.clone(),
        Some(other) => {
            let message = format!("it is {}, and an object is needed", called(other));
            reader.complain("properties", message);
            return Map::new();
        }
    };
    let mut left = MAX_VALUES;
    match cleaned(&Value::Object(field), "properties", MAX_DEPTH, &mut left) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => Map::new(),
        Err((place, message)) => {
            reader.complain(&place, message);
            Map::new()
        }
    }
}

fn cleaned(value: &Value, place: &str, depth: usize, left: &mut usize) -> Result<Value, (String, String)> {
    let refuse = |message: String| Err((place.to_owned(), message));
    match left.checked_sub(1) {
        Some(rest) => *left = rest,
        None => return refuse(format!("the properties hold more than {MAX_VALUES} values")),
    }
    match value {
        Value::Object(_) | Value::Array(_) if depth == 0 => {
            refuse(format!("the properties nest deeper than {MAX_DEPTH} levels"))
        }
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, value) in fields {
                if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) || is_personal(name) {
                    return refuse(format!("a name in it is empty, longer than {MAX_NAME} bytes, or looks personal"));
                }
                kept.insert(name.clone(), cleaned(value, &format!("{place}.{name}"), depth - 1, left)?);
            }
            Ok(Value::Object(kept))
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, item)| cleaned(item, &format!("{place}[{index}]"), depth - 1, left)).collect()
        }
        Value::String(text) if text.len() > MAX_TEXT => {
            refuse(format!("{} bytes are more than {MAX_TEXT}", text.len()))
        }
        Value::String(text) if is_personal(text) => Ok(REMOVED.into()),
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() > MAX_WHOLE) => {
            refuse("numbers beyond 9007199254740991 (2^53 - 1) lose digits: send it as a text".to_owned())
        }
        other => Ok(other.clone()),
    }
}

/// The field `versions`: texts by name.
pub(super) fn versions(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let fields = match reader.get("versions") {
        None => return BTreeMap::new(),
        Some(Value::Object(fields)) if fields.len() <= MAX_VERSIONS => fields.clone(),
        Some(_) => {
            reader.complain("versions", format!("an object of at most {MAX_VERSIONS} texts is needed"));
            return BTreeMap::new();
        }
    };
    let mut versions = BTreeMap::new();
    for (name, version) in fields {
        match version {
            Value::String(version)
                if version.len() <= MAX_VERSION
                    && name.len() <= MAX_VERSION
                    && ![&name, &version].iter().any(|it| is_personal(it)) =>
            {
                versions.insert(name, version);
            }
            _ => reader.complain("versions", format!("each is a text of at most {MAX_VERSION} bytes")),
        }
    }
    versions
}
