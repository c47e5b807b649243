//! Values as a message names them.

use serde_json::Value;

/// The most characters of a value that a message repeats.
const SHOWN: usize = 40;

/// `"50" is a text`, `5 is a number`, `this is a list`.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null says nothing".to_owned(),
        Value::Bool(truth) => format!("{truth} is a yes or no"),
        Value::Number(number) => format!("{number} is a number"),
        Value::String(text) => format!("{} is a text", quoted(text)),
        Value::Array(_) => "this is a list".to_owned(),
        Value::Object(_) => "this is an object".to_owned(),
    }
}

/// The text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() > SHOWN {
        format!("{:?}", format!("{}…", text.chars().take(SHOWN).collect::<String>()))
    } else {
        format!("{text:?}")
    }
}
