//! The record → what the statistics need: exact sums by variant, and by day, device, country and kind of visitor.
//!
//! Who counts: people, not cookies. A visitor belongs to the user of their first identification, an outcome to the user of
//! the last one before it, so that what the next person does on a shared device is not put down to the one before. A
//! person who met two variants, on one device or on two, is contaminated, left out and counted. An outcome counts when it
//! happened at or after the person's first exposure; a refund is its order's person's.
//!
//! Most units are visitors of whom nothing else is known: they are people of their own, and the rollup `exposure_days`
//! counts them. Only the others (`slow`: known users, sessions, contaminated units) are looked at one by one, through
//! `contaminated`, `identities` and `exposures_by_visitor`; outcomes go through `conversions_by_event` to their visitor's
//! exposure. So the cost follows the outcomes and the known users, not the exposures.
//!
//! Sums are exact: an outcome changes its person's value from one whole number to another, and the change of each square
//! fits 64 bits (see [`MAX_MINOR`]). The sums of those changes need not, so they are added up in halves. Everything leaves
//! the database as one text, for D1 takes and hands out numbers as doubles. D1 takes at most five terms in a compound `SELECT`.

use crate::events::money::MAX_MINOR;
use serde::Deserialize;
use serde_json::{Value, json};

/// A query and its values. Its answer is one row of one text: JSON, an array of rows.
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

/// The data of one iteration of one experiment.
#[derive(Clone, Copy, Debug)]
pub struct Iteration<'a> {
    /// The project.
    pub project: &'a str,
    /// The experiment's id.
    pub experiment: &'a str,
    /// The iteration.
    pub iteration: u32,
}

/// What is counted of a person's outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The event whose values are added up.
    pub event: &'a str,
    /// The event that is counted as a denominator; often the same.
    pub per: &'a str,
    /// The largest value of one person in minor units: higher ones count as this (winsorising).
    pub cap: Option<i64>,
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

    /// A whole number; 0 where there is none.
    #[must_use]
    pub fn number(&self, field: usize) -> i64 {
        self.0.get(field).and_then(Value::as_i64).unwrap_or(0)
    }
}

/// The fields of [`units`]: units (people) of a variant in a part of a dimension.
///
/// The dimensions are `day` (of the first exposure), `device`, `country`, `visitor_type`, whose parts each add up to all
/// units; and `contaminated`, the number of people who met two variants.
pub mod unit {
    /// The dimension.
    pub const DIMENSION: usize = 0;
    /// The part.
    pub const PART: usize = 1;
    /// The variant.
    pub const VARIANT: usize = 2;
    /// How many.
    pub const UNITS: usize = 3;
}

/// The fields of [`outcomes`]: sums of a variant in a part of a dimension, the first three as in [`unit`].
///
/// Of dimension `day` (of the outcome) they are the changes of that day: added up until a day they are the sums at its
/// end. `age` is the number of days since the first exposure, whole days before today only, where each day is counted for
/// itself. `contradicts` counts the people whose outcome names another variant than they were exposed to.
pub mod sum {
    /// People whose first outcome this was.
    pub const CONVERTED: usize = 3;
    /// Sum of values.
    pub const Y: usize = 4;
    /// Sum of their squares: `high · 2³² + low`, low in the next field.
    pub const YY_HIGH: usize = 5;
    /// See [`YY_HIGH`].
    pub const YY_LOW: usize = 6;
    /// Sum of denominators.
    pub const D: usize = 7;
    /// Sum of their squares.
    pub const DD: usize = 8;
    /// Sum of value · denominator.
    pub const YD: usize = 9;
}

const PEOPLE: &str = include_str!("readout/people.sql");

/// The units of an iteration. Answer: [`unit`].
#[must_use]
pub fn units(of: Iteration<'_>) -> Question {
    let sql = [PEOPLE, include_str!("readout/units.sql")].concat();
    Question { sql, values: vec![json!(of.project), json!(of.experiment), json!(of.iteration)] }
}

/// The outcomes of an iteration. `today` is the day that is not over, such as `2026-11-21`. Answer: [`sum`].
#[must_use]
pub fn outcomes(of: Iteration<'_>, counted: Counted<'_>, today: &str) -> Question {
    let sql = [PEOPLE, include_str!("readout/outcomes.sql")].concat();
    let cap = counted.cap.unwrap_or(MAX_MINOR).min(MAX_MINOR);
    let values = vec![
        json!(of.project),
        json!(of.experiment),
        json!(of.iteration),
        json!(counted.event),
        json!(counted.per),
        json!(cap),
        json!(today),
    ];
    Question { sql, values }
}

/// How many of the latest outcomes are asked for their currency.
const LATEST: &str = "SELECT json_group_array(json_array(e.value, (SELECT group_concat(DISTINCT currency) FROM \
(SELECT currency FROM conversions WHERE project = ?1 AND conversion_event = e.value ORDER BY converted_at DESC LIMIT 500)))) \
FROM json_each(?2) e";

/// The currencies of events' latest outcomes. Answer: `[event, "EUR,USD" or null]`.
#[must_use]
pub fn currencies(project: &str, events: &[&str]) -> Question {
    Question { sql: LATEST.to_owned(), values: vec![json!(project), json!(json!(events).to_string())] }
}

/// What was stopped before its time. Answer: `[experiment, ended_at, reason, variant or null]`, in time's order.
#[must_use]
pub fn endings(project: &str) -> Question {
    let sql = "SELECT json_group_array(json_array(experiment_id, ended_at, ended_reason, variant)) FROM \
(SELECT * FROM endings WHERE project = ?1 ORDER BY ended_at)";
    Question { sql: sql.to_owned(), values: vec![json!(project)] }
}

/// What arrived of what was sent, and what was served. Answer: one row `[sent, lost, crawlers, visits]`. It is about all
/// projects of the worker together, since messages are the isolates'.
#[must_use]
pub fn delivery() -> Question {
    let sql = "SELECT json_array(json_array((SELECT coalesce(sum(highest + 1), 0) FROM sources), \
(SELECT coalesce(sum(lost), 0) FROM sources), (SELECT coalesce(sum(crawlers), 0) FROM served), \
(SELECT coalesce(sum(visits), 0) FROM served)))";
    Question { sql: sql.to_owned(), values: Vec::new() }
}

/// How the origin answered from an hour on (`2026-11-21T14`; empty: ever). Answer: `[experiment, iteration, variant,
/// requests, errors, le_50, le_100, le_200, le_400, le_800, le_1600, le_3200, over_3200]`.
#[must_use]
pub fn health(project: &str, since_hour: &str) -> Question {
    let sql = "SELECT json_group_array(json_array(experiment_id, iteration, variant, r, e, a, b, c, d, f, g, h, i)) FROM \
(SELECT experiment_id, iteration, variant, sum(requests) AS r, sum(errors) AS e, sum(le_50) AS a, sum(le_100) AS b, \
sum(le_200) AS c, sum(le_400) AS d, sum(le_800) AS f, sum(le_1600) AS g, sum(le_3200) AS h, sum(over_3200) AS i \
FROM origin_health WHERE project = ?1 AND hour >= ?2 GROUP BY 1, 2, 3)";
    Question { sql: sql.to_owned(), values: vec![json!(project), json!(since_hour)] }
}

/// What the guard has done and told. Answer: `[name, at]`.
#[must_use]
pub fn guard_notes() -> Question {
    let sql = "SELECT json_group_array(json_array(name, at)) FROM guard_notes";
    Question { sql: sql.to_owned(), values: Vec::new() }
}

/// How many rows a page of the download holds.
pub const PAGE: u32 = 2_000;

/// The rows of the download, a page: units of the rollup after a place, each with its outcomes. Answer: `[exposed_at, id,
/// unit, variant, contaminated, device, country, visitor_type, event, value_minor, currency, transaction_id, converted_at,
/// channel]`; the last unit's first two are the next page's place. Units come in the order of their exposure.
#[must_use]
pub fn visitors(of: Iteration<'_>, after: (&str, &str)) -> Question {
    let values =
        vec![json!(of.project), json!(of.experiment), json!(of.iteration), json!(after.0), json!(after.1), json!(PAGE)];
    Question { sql: include_str!("readout/visitors.sql").to_owned(), values }
}

/// The same for the people whom the rollup does not count, after a person. The place is `["", person]`.
#[must_use]
pub fn known(of: Iteration<'_>, after: &str) -> Question {
    let sql = [PEOPLE, include_str!("readout/known.sql")].concat();
    let values = vec![json!(of.project), json!(of.experiment), json!(of.iteration), json!(after), json!(PAGE)];
    Question { sql, values }
}
