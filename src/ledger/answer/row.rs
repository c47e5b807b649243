//! The rows of an answer, whichever engine wrote them.

use serde::Deserialize;
use serde_json::Value;

/// A row of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::ledger) struct Row(Vec<Value>);

impl Row {
    /// The rows of an answer that has no last one.
    pub(in crate::ledger) fn all(text: &str) -> Result<Vec<Self>, Unreadable> {
        serde_json::from_str(text).map_err(|error| Unreadable(format!("no rows: {error}")))
    }

    /// A list, as a row.
    pub(in crate::ledger) fn of(list: &Value) -> Result<Self, Unreadable> {
        let fields = list.as_array().ok_or_else(|| Unreadable(format!("{list} is no list")))?;
        Ok(Self(fields.clone()))
    }

    /// A list of a field; none where there is none.
    pub(in crate::ledger) fn list(&self, field: usize) -> &[Value] {
        self.0.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A part of a dimension, as a text.
    pub(in crate::ledger) fn part(&self, field: usize) -> String {
        match self.0.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// A text; empty where there is none.
    pub(in crate::ledger) fn text(&self, field: usize) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(in crate::ledger) fn number(&self, field: usize) -> Result<i128, Unreadable> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => {
                number(value).ok_or_else(|| Unreadable(format!("{value} in field {field} is no whole number")))
            }
        }
    }

    pub(in crate::ledger) fn is_null(&self, field: usize) -> bool {
        matches!(self.0.get(field), None | Some(Value::Null))
    }
}

/// A whole number of an answer: see the module.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        Value::String(text) => {
            // why: some engines write decimals with the zeros of their scale
            let whole = text.split_once('.').map_or(text.as_str(), |(whole, zeros)| {
                if zeros.bytes().all(|byte| byte == b'0') { whole } else { text }
            });
            whole.parse().ok().or_else(|| {
                let limbs: Value = serde_json::from_str(text).ok().filter(Value::is_array)?;
                number(&limbs)
            })
        }
        Value::Array(limbs) => limbs.iter().try_fold(0_i128, |sum, limb| {
            let limb = limb.as_i64()?;
            sum.checked_mul(1 << 17)?.checked_add(i128::from(limb))
        }),
        _ => None,
    }
}

/// Why an answer cannot be read: what an engine said is never taken for zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl Unreadable {
    pub(in crate::ledger) fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// The rows of an answer. Every answer ends with a row `["end", …]`, so that one which was cut off is not taken for all
/// of it.
pub(in crate::ledger) fn rows(text: &str) -> Result<Vec<Row>, Unreadable> {
    let rows = Row::all(text)?;
    if rows.iter().any(|row| row.text(0) == "end") {
        Ok(rows)
    } else {
        Err(Unreadable("its last row is missing".to_owned()))
    }
}
