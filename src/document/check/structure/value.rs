//! One value against one schema.

use super::{described, quoted};
use crate::document::{Id, Percent, Slots, Timestamp, Weight};
use crate::lower_case;
use crate::suggestion::suggest;
use serde_json::{Value, json};

/// Tries the types that judge for themselves; `None` for all others.
pub(super) fn named(name: &str, value: &Value) -> Option<Result<(), String>> {
    let text = value.as_str().map(str::to_owned);
    let number = value.as_f64();
    Some(match (name, text, number) {
        ("Id", Some(text), _) => id(&text),
        ("Timestamp", Some(text), _) => Timestamp::try_from(text).map(drop),
        ("Percent", _, Some(number)) => Percent::try_from(number).map(drop),
        ("Weight", _, Some(number)) => Weight::try_from(number).map(drop),
        ("Slots", ..) => match serde_json::from_value::<[u32; 2]>(value.clone()) {
            Ok(pair) => Slots::try_from(pair).map(drop),
            Err(_) => Err("not a range of slots: write two whole numbers of 0 to 10000, such as [0, 5000]".to_owned()),
        },
        _ => return None,
    })
}

/// Whether the text is an id.
pub(super) fn id(text: &str) -> Result<(), String> {
    match Id::new(text) {
        Some(_) => Ok(()),
        None => Id::try_from(text.to_owned()).map(drop),
    }
}

/// The words that a schema lists, if it lists words. Lists of numbers are for editors; the check of the parts knows more
/// about why a number is not among them.
pub(super) fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(Value::as_str).collect();
    }
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    let choices = schema.get("oneOf").and_then(Value::as_array)?;
    choices.iter().map(words).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
}

/// # Errors
///
/// Where the value is none of the words.
pub(super) fn one_of(value: &Value, words: &[&str]) -> Result<(), String> {
    let list = || words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let Some(text) = value.as_str() else { return Err(format!("{}: use one of {}", described(value), list())) };
    // why: words with capitals are names of headers, which have no case
    let is_same = |word: &&str| {
        *word == text || (word.bytes().any(|byte| byte.is_ascii_uppercase()) && *word.to_ascii_lowercase() == *text)
    };
    if words.iter().any(is_same) {
        return Ok(());
    }
    Err(match suggest(text, words.iter().copied()) {
        Some(near) => format!("{} is not known here: did you mean {near:?}?", quoted(text)),
        None => format!("{} is not known here: use {}", quoted(text), list()),
    })
}

/// The kinds of JSON that the schema takes; `None`: all.
pub(super) fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(kind) => Some(vec![kind]),
        Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// Whether the value is of that kind of JSON.
pub(super) fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        // why: 1.0 is a whole number to JSON Schema and none to the types
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// The message for a value of the wrong kind.
pub(super) fn unsuitable(value: &Value, kinds: &[&str], schema: &Value) -> String {
    let number = value.as_f64().filter(|_| kinds.contains(&"integer"));
    let mut wanted: Vec<&str> = kinds
        .iter()
        .filter_map(|kind| match *kind {
            "boolean" => Some("true or false"),
            "string" => Some("a text in quotes"),
            "number" => Some("a number without quotes"),
            "integer" => Some("a whole number, without quotes or decimals"),
            "array" => Some("a list in [ ]"),
            "object" => Some("an object in { }"),
            _ => None,
        })
        .collect();
    wanted.dedup();
    let wanted = wanted.join(", or ");
    match (value, number, schema.get("default")) {
        (_, Some(number), _) => format!("{number} has decimals: write a whole number"),
        (Value::Null, _, Some(_)) => format!("null says nothing here: write {wanted}, or leave the field out"),
        _ => format!("{}: write {wanted}", described(value)),
    }
}

/// # Errors
///
/// Where the number is outside of what the schema, or the type behind it, holds.
pub(super) fn in_range(value: &Value, schema: &Value) -> Result<(), String> {
    let (low, high) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0.0, f64::from(u8::MAX)),
        Some("uint16") => (0.0, f64::from(u16::MAX)),
        Some("uint32") => (0.0, f64::from(u32::MAX)),
        Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (f64::MIN, f64::MAX),
    };
    let low = schema.get("minimum").and_then(Value::as_f64).map_or(low, |least| least.max(low));
    let high = schema.get("maximum").and_then(Value::as_f64).map_or(high, |most| most.min(high));
    match value.as_f64() {
        Some(number) if (low..=high).contains(&number) => Ok(()),
        _ => Err(format!("{value} is out of range: use {low} to {high}")),
    }
}

/// What stands for an entry that could not be read, so that its name is known.
pub(super) fn stand_in_entry(name: &str) -> Option<Value> {
    match name {
        "Metric" => Some(json!({"event": "unreadable", "kind": "proportion"})),
        "Layer" => Some(json!({})),
        _ => None,
    }
}

/// A type's name in a sentence.
pub(super) fn called(name: &str) -> String {
    match name {
        "RewriteStep" => "rewrite step".to_owned(),
        "RampStep" => "step of a ramp".to_owned(),
        "DecisionRecord" => "decision".to_owned(),
        "DatedApproval" => "approval".to_owned(),
        "UserToken" => "user token".to_owned(),
        "TakenOver" => "hash of another tool".to_owned(),
        "HashGate" => "gate".to_owned(),
        "HashSplit" => "split".to_owned(),
        "GitRepository" => "repository".to_owned(),
        other => lower_case::text(other),
    }
}
