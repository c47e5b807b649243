//! Statistics of given aggregates, line by line: `{"id","op","in"}` → `{"id","out"}`.
//!
//! For `sortition analyze`, and for whoever wants to check the numbers with another library. A line that cannot be
//! understood gives `{"id","error"}`, where the error names the field and says what to write; numbers that can be
//! read but allow no inference give an `out` with a `status`.

mod answer;
mod fields;
mod inference;
mod planning;
mod quality;
mod several;

use serde_json::{Map, Value, json};

use fields::{FieldError, Fields};

/// Longest line that is read, in bytes.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

type Operation = fn(&Fields<'_>) -> Result<Value, FieldError>;

/// Every operation by its name.
const OPERATIONS: &[(&str, Operation)] = &[
    ("moments", inference::moments),
    ("moments_runs", inference::moments_runs),
    ("merge", inference::merge),
    ("freq", inference::freq),
    ("sequential", inference::sequential),
    ("bayes", inference::bayes),
    ("bayes_beta", inference::bayes_beta),
    ("fieller", inference::fieller),
    ("noninf", inference::noninf),
    ("srm", quality::srm),
    ("srm_seq", quality::srm_seq),
    ("multiple", quality::multiple),
    ("novelty", quality::novelty),
    ("winsor", quality::winsor),
    ("quantile", several::quantile),
    ("interaction", several::interaction),
    ("bandit", several::bandit),
    ("shrink", several::shrink),
    ("power_n", planning::power_n),
    ("power_at", planning::power_at),
    ("mde_at", planning::mde_at),
    ("power_seq", planning::power_seq),
    ("specfn", planning::specfn),
];

/// Names of all operations, in the order of the documentation.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _)| *name)
}

/// Answers one line with one line (no line break at its end). Never panics, whatever the line holds.
///
/// ```
/// let answer = sortition_engine::stats::analyze::analyze_line(
///     r#"{"id": 1, "op": "srm", "in": {"counts": [50600, 49400], "weights": [1, 1]}}"#,
/// );
/// assert!(answer.contains(r#""chi2":14.4,"#) && answer.contains(r#""flag":true"#));
/// ```
pub fn analyze_line(line: &str) -> String {
    if line.len() > MAX_LINE {
        return failure(&Value::Null, &format!("the line is longer than {MAX_LINE} bytes: split the input"));
    }
    match serde_json::from_str::<Value>(line) {
        Ok(request) => match analyze(&request) {
            Ok(out) => json!({"id": request.get("id"), "out": out}).to_string(),
            Err(error) => failure(request.get("id").unwrap_or(&Value::Null), &error.to_string()),
        },
        Err(error) => failure(
            &Value::Null,
            &format!(r#"the line is not JSON ({error}): write one object {{"id","op","in"}} a line"#),
        ),
    }
}

fn failure(id: &Value, error: &str) -> String {
    json!({"id": id, "error": error}).to_string()
}

fn analyze(request: &Value) -> Result<Value, FieldError> {
    let Value::Object(request) = request else {
        return Err(FieldError::new("the line", r#"must be an object {"id","op","in"}"#));
    };
    let names = || operations().collect::<Vec<_>>().join(", ");
    let Some(Value::String(op)) = request.get("op") else {
        return Err(FieldError::new("op", &format!("missing or not a string: write one of {}", names())));
    };
    let Some((_, operation)) = OPERATIONS.iter().find(|(name, _)| name == op) else {
        return Err(FieldError::new("op", &format!("unknown operation: write one of {}", names())));
    };
    let empty = Map::new();
    let inputs = match request.get("in") {
        Some(Value::Object(inputs)) => inputs,
        None => &empty,
        Some(_) => return Err(FieldError::new("in", "must be an object with the inputs of the operation")),
    };
    operation(&Fields::new(inputs, "in".to_owned()))
}
