//! What engines print, as answers: rows of JSON or CSV, of one statement or of several, in any order.

use crate::cli::csv;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The columns of an answer to a question about an experiment.
const COLUMNS: [&str; 16] =
    ["what", "dimension", "part", "variant", "a", "b", "c", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
/// The questions about the project; their columns are `what`, `c01`, `c02`, ….
pub(super) const WHOLE: [&str; 3] = ["endings", "delivery", "health"];

/// Rows by the name of the question that they answer: `hero metric revenue`, `delivery`.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Rows, each a JSON array in the order of the columns.
    pub(super) by_name: BTreeMap<String, Vec<Value>>,
    /// Rows that no last row followed: their answer was cut off.
    pub(super) cut: usize,
    open: Vec<Value>,
}

impl Answers {
    /// Reads a file: JSON (lists of objects or of lists, also several one behind another, also with the rows inside an
    /// object), JSON lines, or CSV with a line of names before each answer.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut answers = Self::default();
        let start = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
        if start.starts_with(['[', '{']) {
            for value in serde_json::Deserializer::from_str(start).into_iter::<Value>() {
                answers.visit(&value.map_err(|error| format!("no JSON: {error}"))?);
            }
        } else {
            answers.csv(start)?;
        }
        answers.cut = answers.open.len();
        if answers.by_name.is_empty() && answers.cut == 0 {
            return Err("it has no row of an answer".to_owned());
        }
        Ok(answers)
    }

    fn visit(&mut self, value: &Value) {
        match value {
            Value::Array(fields) if fields.first().and_then(Value::as_str).is_some() && fields.len() > 1 => {
                self.row(fields.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| self.visit(item)),
            Value::Object(fields) => {
                // why: Snowflake writes names in capitals
                let lower: Map<String, Value> =
                    fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
                match lower.get("what").and_then(Value::as_str) {
                    Some(what) => {
                        let row = ordered(what, &lower);
                        self.row(row);
                    }
                    None => fields
                        .values()
                        .filter(|value| value.is_array() || value.is_object())
                        .for_each(|value| self.visit(value)),
                }
            }
            _ => {}
        }
    }

    fn row(&mut self, row: Vec<Value>) {
        let text = |field: usize| row.get(field).and_then(Value::as_str).unwrap_or_default();
        if WHOLE.contains(&text(0)) {
            let name = text(0).to_owned();
            self.by_name.entry(name).or_default().push(row.into_iter().skip(1).collect());
        } else if text(0) == "end" {
            let name = text(1).to_owned();
            let mut rows = std::mem::take(&mut self.open);
            rows.push(Value::Array(row));
            self.by_name.insert(name, rows);
        } else {
            self.open.push(Value::Array(row));
        }
    }

    fn csv(&mut self, text: &str) -> Result<(), String> {
        let mut names: Vec<String> = Vec::new();
        for fields in csv::read(text).records.into_iter().filter(|fields| fields.iter().any(|field| !field.is_empty()))
        {
            if fields.first().is_some_and(|first| first.eq_ignore_ascii_case("what")) {
                names = fields.iter().map(|name| name.to_ascii_lowercase()).collect();
                continue;
            }
            if names.is_empty() {
                return Err("its first line does not name the columns: what, dimension, part, …".to_owned());
            }
            let lower: Map<String, Value> = names
                .iter()
                .zip(fields)
                // why: engines write null as nothing, `\N` or NULL
                .map(|(name, field)| {
                    let is_null = name.len() == 1 && matches!(field.as_str(), "" | "\\N" | "NULL" | "null");
                    (name.clone(), if is_null { Value::Null } else { Value::String(field) })
                })
                .collect();
            let what = lower.get("what").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.row(ordered(&what, &lower));
        }
        Ok(())
    }
}

/// The fields of a row in the order of the columns.
fn ordered(what: &str, fields: &Map<String, Value>) -> Vec<Value> {
    if WHOLE.contains(&what) {
        // why: `c01` and so on stand in the order of their names, and `what` behind them
        let rest = fields.iter().filter(|(name, _)| *name != "what").map(|(_, value)| value.clone());
        return std::iter::once(Value::from(what)).chain(rest).collect();
    }
    COLUMNS.iter().map(|name| fields.get(*name).cloned().unwrap_or(Value::Null)).collect()
}
