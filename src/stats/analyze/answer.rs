//! Writing results: what is not finite or not available is `null`.

use serde_json::{Map, Value};

use crate::stats::{Estimate, Interval, Refusal};

/// Fields of an answer.
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    pub(super) fn new() -> Self {
        Self(Map::new())
    }

    /// An answer with its `status`; the refused fields stay `null`.
    pub(super) fn with_status<T>(result: &Result<T, Refusal>, refused: &[&str]) -> Self {
        match result {
            Ok(_) => Self::new().set("status", "OK"),
            Err(refusal) => {
                let answer = Self::new().set("status", refusal.name());
                refused.iter().fold(answer, |answer, name| answer.set(name, Value::Null))
            }
        }
    }

    pub(super) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn number(self, name: &str, value: f64) -> Self {
        self.set(name, number(value))
    }

    pub(super) fn optional(self, name: &str, value: Option<f64>) -> Self {
        self.set(name, value.map_or(Value::Null, number))
    }

    pub(super) fn numbers(self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        self.set(name, values.into_iter().map(number).collect::<Vec<_>>())
    }

    pub(super) fn interval(self, name: &str, interval: Interval) -> Self {
        self.numbers(name, [interval.low, interval.high])
    }

    pub(super) fn estimate(self, estimate: &Estimate) -> Self {
        self.number("est", estimate.effect).number("se", estimate.std_error)
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// A JSON number; `null` for what is not finite.
pub(super) fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A JSON integer; beyond 2^53, where many readers round, a string of digits.
pub(super) fn integer(value: i128) -> Value {
    const EXACT_TO: u128 = 1 << 53;
    match i64::try_from(value) {
        Ok(small) if value.unsigned_abs() <= EXACT_TO => Value::from(small),
        _ => Value::from(value.to_string()),
    }
}
