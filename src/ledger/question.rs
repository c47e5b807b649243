//! The questions of a readout, one SQL statement each: one tree, which a [`Dialect`] and a metric's [`Definition`] fill in.
//!
//! The files beside this one are its steps, each a common table that the next ones build on:
//!
//! - who is who, what happened: `told`, `owners`, `exposed`, `settled`, `outcomes`, `refunds`, `spans` from events as they lie,
//!   or `record` from the record's tables
//! - `people` the units of an iteration: the first exposure of each, and whether it met two variants
//! - `tally` how many units there are, by variant, day and part; `hits` their outcomes
//! - `metric` which outcomes count, and what each unit comes to; `contributions` or `quantile` what a unit contributes
//! - `answer` the sums, `tails` what else is to be known; `mates` the sums among the people of other experiments
//!
//! The record has two steps of its own (`record_tally`, `record_hits`), since most units are visitors of whom nothing
//! else is known: a rollup counts them, and their outcomes find them by an index. Only the others (`record_slow`) are
//! looked at one by one.
//!
//! A `+` before a time there keeps the planner, which has no statistics, from the index by time where the key finds one unit.
//!
//! The rules are in docs/warehouse.md, and written a second time in fixtures/metrics/reference.py.

mod condition;
#[cfg(not(target_arch = "wasm32"))]
mod keys;
#[cfg(not(target_arch = "wasm32"))]
mod project;
pub mod shared;
#[cfg(not(target_arch = "wasm32"))]
pub mod tables;
mod words;

use super::dialect::Dialect;
use crate::metrics::{Definition, Kind};
use serde_json::Value;
use words::Words;

pub use super::readout::Question;
#[cfg(not(target_arch = "wasm32"))]
pub use project::{delivery, endings, health};
#[cfg(not(target_arch = "wasm32"))]
pub use tables::Table;

/// One iteration of an experiment, at a time.
#[derive(Clone, Copy, Debug)]
pub struct Iteration<'a> {
    /// The project.
    pub project: &'a str,
    /// The experiment's id.
    pub experiment: &'a str,
    /// The iteration.
    pub iteration: u32,
    /// The variants that the document has.
    pub variants: &'a [&'a str],
    /// What is later is not there yet; in milliseconds since 1970.
    pub now: i64,
}

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The sums, all together and by day.
    Days,
    /// Also by the parts of the audience.
    Parts,
}

/// Where to ask.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The engine's SQL.
    pub dialect: Dialect,
    /// What the archive's events are there: a table, or a query in brackets with its columns (docs/warehouse.md). Not
    /// used by the record.
    pub events: &'a str,
    /// Whether what questions share was made before as [`tables`]; only DuckDB, which the tool itself runs, is told so.
    pub tables: bool,
}

impl Place<'_> {
    /// The record.
    pub const RECORD: Self = Self { dialect: Dialect::Sqlite, events: "", tables: false };
}

const TOLD: &str = include_str!("question/told.sql");
const OWNERS: &str = include_str!("question/owners.sql");
const EXPOSED: &str = include_str!("question/exposed.sql");
const SETTLED: &str = include_str!("question/settled.sql");
const OUTCOMES: &str = include_str!("question/outcomes.sql");
const REFUNDS: &str = include_str!("question/refunds.sql");
const SPANS: &str = include_str!("question/spans.sql");
const RECORD: &str = include_str!("question/record.sql");
const RECORD_SLOW: &str = include_str!("question/record_slow.sql");
const PEOPLE: &str = include_str!("question/people.sql");
const TALLY: &str = include_str!("question/tally.sql");
const RECORD_TALLY: &str = include_str!("question/record_tally.sql");
const HITS: &str = include_str!("question/hits.sql");
const RECORD_HITS: &str = include_str!("question/record_hits.sql");
const METRIC: &str = include_str!("question/metric.sql");
const CONTRIBUTIONS: &str = include_str!("question/contributions.sql");
const QUANTILE: &str = include_str!("question/quantile.sql");
const QUANTILE_SHARED: &str = include_str!("question/quantile_shared.sql");
const ANSWER: &str = include_str!("question/answer.sql");
const AGED: &str = include_str!("question/aged.sql");
const TAILS: &str = include_str!("question/tails.sql");
const MATES: &str = include_str!("question/mates.sql");

/// Nobody contributes anything: the units alone are asked for.
const NOTHING: &str =
    ", contributions AS (SELECT t.*, 0 AS converted, 0 AS y, 0 AS d, 0 AS x FROM tally t WHERE 1 = 0)";

const COLUMNS: &str = "what, dimension, part, variant, a, b, c, e, f, g, h, i, j, k, l, m";
const END: &str =
    "UNION ALL SELECT 'end', '', '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL";

/// Of the steps those that an engine has to be told.
fn steps<'s>(place: Place<'_>, record: &[&'s str], archive: &[&'s str]) -> Vec<&'s str> {
    if place.dialect.is_record() { record } else { archive }.to_vec()
}

/// The step that says what each unit contributes.
fn contributions(words: &Words<'_>, definition: &Definition) -> &'static str {
    match definition.kind {
        Kind::Quantile(_) if words.is_shared() => QUANTILE_SHARED,
        Kind::Quantile(_) => QUANTILE,
        _ => CONTRIBUTIONS,
    }
}

/// The units of an iteration. Read by [`super::answer::Units::read`].
#[must_use]
pub fn units(of: Iteration<'_>, extent: Extent, place: Place<'_>) -> Question {
    let words = Words::new(of, None, extent, place);
    let mut steps = steps(place, &[RECORD_SLOW, RECORD, PEOPLE, RECORD_TALLY], &[TOLD, OWNERS, EXPOSED, PEOPLE, TALLY]);
    let rest = format!(
        " SELECT $row() FROM (SELECT {COLUMNS} FROM cells \
UNION ALL SELECT 'contaminated', '', '', '', $sum(crossed), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM people \
WHERE experiment_id = $experiment() AND iteration = $iteration() \
UNION ALL SELECT 'unknown', '', '', variant, $sum(n), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM tally \
WHERE variant NOT IN ($variants()) GROUP BY variant {END}) r$settings()"
    );
    steps.extend([NOTHING, ANSWER, rest.as_str()]);
    words.question(&steps)
}

/// The answer to a metric. Read by [`super::answer::Answer::read`].
#[must_use]
pub fn metric(of: Iteration<'_>, definition: &Definition, extent: Extent, place: Place<'_>) -> Question {
    of_metric(&Words::new(of, Some(definition), extent, place), definition, place)
}

fn of_metric(words: &Words<'_>, definition: &Definition, place: Place<'_>) -> Question {
    let mut steps = steps(
        place,
        &[RECORD_SLOW, RECORD, PEOPLE, RECORD_TALLY, RECORD_HITS],
        &[TOLD, OWNERS, EXPOSED, SETTLED, OUTCOMES, REFUNDS, SPANS, PEOPLE, TALLY, HITS],
    );
    let (contributions, ranks) = (contributions(words, definition), words.ranks());
    let rest = format!(
        " SELECT $row() FROM (SELECT {COLUMNS} FROM cells \
UNION ALL SELECT what, dimension, part, variant, a, b, c, e, f, g, h, i, NULL, NULL, NULL, NULL FROM tails {ranks} {END}) r$settings()"
    );
    steps.extend([METRIC, contributions, ANSWER, AGED, TAILS, rest.as_str()]);
    words.question(&steps)
}

/// The metric of an iteration among the people of others, by both variants. Read by [`super::answer::pairs`].
#[must_use]
pub fn interactions(
    of: Iteration<'_>,
    others: &[Iteration<'_>],
    definition: &Definition,
    place: Place<'_>,
) -> Question {
    of_interactions(&Words::new(of, Some(definition), Extent::Days, place).among(others), definition, place)
}

fn of_interactions(words: &Words<'_>, definition: &Definition, place: Place<'_>) -> Question {
    let mut steps = steps(
        place,
        &[RECORD, PEOPLE, HITS],
        &[TOLD, OWNERS, EXPOSED, SETTLED, OUTCOMES, REFUNDS, SPANS, PEOPLE, HITS],
    );
    let rest = format!(" SELECT $row() FROM (SELECT {COLUMNS} FROM cells {END}) r$settings()");
    steps.extend([METRIC, contributions(words, definition), MATES, rest.as_str()]);
    words.question(&steps)
}

/// How many units a page of the download holds.
pub const PAGE: u32 = 2_000;

/// The units of the record and their outcomes, a page: visitors of whom nothing else is known, in the order of their
/// exposures. `?1` and `?2` are the first two fields of the last row so far, or empty; `?3` is [`PAGE`]. A row an outcome,
/// one a unit without: `[place, place, unit, variant, contaminated, exposed_at, device, country, visitor_type, event,
/// value_minor, currency, transaction_id, converted_at, channel]`.
#[must_use]
pub fn download_visitors(of: Iteration<'_>) -> Question {
    let question =
        Words::new(of, None, Extent::Days, Place::RECORD).text(include_str!("question/download_visitors.sql"));
    Question { values: vec!["".into(), "".into(), PAGE.into()], ..question }
}

/// The same of all others, in the order of their names: `?1` is the first field of the last row so far, `?2` [`PAGE`].
#[must_use]
pub fn download_people(of: Iteration<'_>) -> Question {
    let words = Words::new(of, None, Extent::Days, Place::RECORD);
    let question = words.question(&[RECORD_SLOW, RECORD, PEOPLE, include_str!("question/download.sql")]);
    Question { values: vec!["".into(), PAGE.into()], ..question }
}

/// The rows of an answer, a JSON text each, as one JSON text.
#[must_use]
pub fn joined<'a>(rows: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", rows.into_iter().collect::<Vec<_>>().join(","))
}

/// The parameters that every question of the record has: none, for all is in its text.
const NO_VALUES: Vec<Value> = Vec::new();
