//! What a readout asks the record besides the questions that every engine answers: what was stopped, what arrived, how the
//! origin answered, what the guard did.

use serde::Deserialize;
use serde_json::{Value, json};

/// A query and its values. Its answer is a row of one text for each row: a JSON array. D1 hands out numbers as doubles, and
/// bounds the size of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The SQL.
    pub sql: String,
    /// What `?1` and so on stand for.
    pub values: Vec<Value>,
}

impl Question {
    /// `[sql, value, …]`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut parts = vec![json!(self.sql)];
        parts.extend(self.values.iter().cloned());
        Value::Array(parts)
    }
}

/// A row of an answer.
///
/// Kept as JSON values, and read field by field: a type for each kind of row would make the wasm a fiftieth larger.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Row(Vec<Value>);

impl Row {
    /// A text; empty where there is none.
    #[must_use]
    pub fn text(&self, field: usize) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A text, unless it is null.
    #[must_use]
    pub fn optional(&self, field: usize) -> Option<String> {
        self.0.get(field).and_then(Value::as_str).map(str::to_owned)
    }

    /// A whole number, as such or in a text; 0 where there is none.
    #[must_use]
    pub fn number(&self, field: usize) -> i64 {
        let value = self.0.get(field);
        value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(0)
    }
}

/// What was stopped before its time. Answer: `[experiment, ended_at, reason, variant or null]`, in time's order.
#[must_use]
pub fn endings(project: &str) -> Question {
    let sql = "SELECT json_array(experiment_id, ended_at, ended_reason, variant) FROM endings WHERE project = ?1 ORDER BY ended_at";
    Question { sql: sql.to_owned(), values: vec![json!(project)] }
}

/// What arrived of what was sent, and what was served. Answer: one row `[sent, lost, crawlers, visits, moving, databases,
/// unsettled, number]`; `moving` is 1 while exposures of before the small record are being taken along, the last three are
/// about a record in several databases: how many they are, whether rows lie elsewhere than they should, and which of them
/// this is. It is about all projects of the worker together, since messages are the isolates'.
#[must_use]
pub fn delivery() -> Question {
    let sql = "SELECT json_array((SELECT coalesce(sum(highest + 1), 0) FROM sources), \
(SELECT coalesce(sum(lost), 0) FROM sources), (SELECT coalesce(sum(crawlers), 0) FROM served), \
(SELECT coalesce(sum(visits), 0) FROM served), EXISTS (SELECT 1 FROM exposures_before), (SELECT databases FROM placement), \
(SELECT scan IS NOT NULL FROM placement) + (SELECT count(*) FROM moves WHERE since < unixepoch() * 1000 - 60000), \
(SELECT number FROM placement))";
    Question { sql: sql.to_owned(), values: Vec::new() }
}

/// How the origin answered from an hour on (`2026-11-21T14`; empty: as far back as is kept). Answer: `[experiment,
/// iteration, variant, requests, errors, le_50, le_100, le_200, le_400, le_800, le_1600, le_3200, over_3200, clusters,
/// Σrequests², Σerrors², Σrequests·errors]`. A cluster is an isolate's hour: requests that failed together were not
/// independent, so an error rate's interval comes from the clusters' sums, as a ratio's does.
#[must_use]
pub fn health(project: &str, since_hour: &str) -> Question {
    // why: `+` has it go by the hour
    let sql = "SELECT json_array(experiment_id, iteration, variant, sum(requests), sum(errors), sum(le_50), sum(le_100), \
sum(le_200), sum(le_400), sum(le_800), sum(le_1600), sum(le_3200), sum(over_3200), count(*), sum(requests * requests), \
sum(errors * errors), sum(requests * errors)) FROM origin_health WHERE +project = ?1 AND hour >= ?2 \
GROUP BY experiment_id, iteration, variant";
    Question { sql: sql.to_owned(), values: vec![json!(project), json!(since_hour)] }
}

/// On which days units were first exposed to each iteration. Answer: `[experiment, iteration, first, last]`, days since 1970.
#[must_use]
pub fn courses(project: &str) -> Question {
    // why: counts stay when exposures expire, and those of users and sessions are in none
    let sql = "SELECT json_array(experiment_id, iteration, \
coalesce((SELECT min(day) FROM exposed_counts WHERE iteration_no = number AND units > 0), (SELECT min(at) FROM exposed WHERE iteration_no = number) / 86400000), \
coalesce((SELECT max(day) FROM exposed_counts WHERE iteration_no = number AND units > 0), (SELECT max(at) FROM exposed WHERE iteration_no = number) / 86400000)) \
FROM iterations WHERE project = ?1 AND experiment_id <> '_holdout' ORDER BY experiment_id, iteration";
    Question { sql: sql.to_owned(), values: vec![json!(project)] }
}

/// What the guard has done and told. Answer: `[name, at]`.
#[must_use]
pub fn guard_notes() -> Question {
    Question { sql: "SELECT json_array(name, at) FROM guard_notes".to_owned(), values: Vec::new() }
}
