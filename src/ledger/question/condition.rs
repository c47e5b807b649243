//! Conditions over properties, in SQL.

use super::super::dialect::Dialect;
use crate::condition::{Matter, Plain};

/// A condition over the JSON in `json`; never null.
pub(super) fn condition(plain: &Plain, json: &str, dialect: Dialect) -> String {
    let list = |parts: &[Plain], word: &str, none: &str| match parts {
        [] => none.to_owned(),
        [one] => condition(one, json, dialect),
        parts => {
            let parts: Vec<String> = parts.iter().map(|part| condition(part, json, dialect)).collect();
            format!("({})", parts.join(word))
        }
    };
    match plain {
        Plain::All(parts) => list(parts, " AND ", "1 = 1"),
        Plain::Any(parts) => list(parts, " OR ", "1 = 0"),
        Plain::Not(part) => format!("NOT ({})", condition(part, json, dialect)),
        // why: what is null is neither true nor false, and `NOT` of it neither
        Plain::Is(path, matter) => format!("CASE WHEN {} THEN 1 ELSE 0 END = 1", is(path, matter, json, dialect)),
    }
}

fn is(path: &[String], matter: &Matter, json: &str, dialect: Dialect) -> String {
    let mut arguments = vec![json.to_owned()];
    arguments.extend(path.iter().cloned());
    let value = |name: &str| dialect.call(name, &arguments).unwrap_or_else(|| "NULL".to_owned());
    let call = |name: &str, argument: String| dialect.call(name, &[argument]).unwrap_or_else(|| "NULL".to_owned());
    match matter {
        Matter::Absent => value("json_absent"),
        Matter::Composite => value("json_composite"),
        Matter::Truth(truth) => format!("{} = {}", value("json_truth"), u8::from(*truth)),
        Matter::Text(text) => format!("{} = {}", value("json_text"), dialect.quoted(text)),
        Matter::FilledText => format!("{} <> ''", value("json_text")),
        Matter::Number(number) => format!("{} = {number:?}", value("json_number")),
        Matter::TextOrder(sign, text) => {
            format!("{} {sign} {}", call("binary", value("json_text")), dialect.quoted(text))
        }
        Matter::NumberOrder(sign, number) => format!("{} {sign} {number:?}", value("json_number")),
        Matter::SpelledOrder(sign, number) => format!("{} {sign} {number:?}", call("spelled", value("json_text"))),
    }
}
