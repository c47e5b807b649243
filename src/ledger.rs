//! The record: SQL, deduplication, archive layout. Builds statements and reads rows; runs none.
//!
//! D1 allows 100 bound parameters a statement, so rows go in as one JSON text that `json_each` takes apart: a batch of
//! a thousand events is one statement a table. Every statement may be repeated and reordered without changing the
//! outcome, because the queue delivers at least once and in no order.

pub mod answer;
mod archive;
mod arrivals;
pub mod carry;
pub mod dialect;
pub mod homes;
pub mod placement;
pub mod question;
pub mod readout;
mod retention;
mod rows;
mod steps;
mod tree;
pub mod union;
#[cfg(not(target_arch = "wasm32"))]
pub mod upkeep;

pub use archive::{archive, archive_visits};
pub use retention::letting_go;
pub use steps::take_along;

use crate::document::Timestamp;
use crate::events::{Event, Message, What};
use serde_json::{Value, json};

/// A statement and its one parameter, a JSON array of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The SQL; `?1` is the rows.
    pub sql: String,
    /// The rows, as a JSON array of arrays.
    pub rows: String,
}

/// Of several reports of one outcome the least stays: a server's before a page's, then the earliest, then by value,
/// currency and ids.
const CONVERSIONS: &str = include_str!("ledger/statements/conversions.sql");

/// From the first event that names both of its ids on a visitor is a user.
const IDENTITIES: &str = "INSERT INTO identities (project, anonymous_id, user_id, identified_at) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true \
ON CONFLICT (project, anonymous_id, user_id) DO UPDATE SET identified_at = excluded.identified_at \
WHERE excluded.identified_at < identities.identified_at";

const ENDINGS: &str = "INSERT INTO endings (id, project, experiment_id, variant, ended_reason, ended_at) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?1) WHERE true \
ON CONFLICT (id) DO UPDATE SET ended_reason = excluded.ended_reason, ended_at = excluded.ended_at \
WHERE (excluded.ended_at, excluded.ended_reason) < (endings.ended_at, endings.ended_reason)";

/// Ranges of the numbers that arrived, one row an isolate: a set union, so that it may be repeated and reordered.
const ARRIVALS: &str = include_str!("ledger/statements/arrivals.sql");

/// Running totals only rise, so the larger is the later.
const SERVED: &str = "INSERT INTO served (source, crawlers, visits, heard_on) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true \
ON CONFLICT (source) DO UPDATE SET crawlers = max(excluded.crawlers, served.crawlers), \
visits = max(excluded.visits, served.visits), heard_on = max(excluded.heard_on, coalesce(served.heard_on, ''))";

/// Counters of one isolate and hour only rise, so the larger is the later, and no delivery counts twice.
const ORIGIN_HEALTH: &str = "INSERT INTO origin_health (project, experiment_id, iteration, variant, hour, source, requests, \
errors, le_50, le_100, le_200, le_400, le_800, le_1600, le_3200, over_3200) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, \
value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15 FROM json_each(?1) WHERE true \
ON CONFLICT (project, experiment_id, iteration, variant, hour, source) DO UPDATE SET \
requests = max(requests, excluded.requests), errors = max(errors, excluded.errors), le_50 = max(le_50, excluded.le_50), \
le_100 = max(le_100, excluded.le_100), le_200 = max(le_200, excluded.le_200), le_400 = max(le_400, excluded.le_400), \
le_800 = max(le_800, excluded.le_800), le_1600 = max(le_1600, excluded.le_1600), le_3200 = max(le_3200, excluded.le_3200), \
over_3200 = max(over_3200, excluded.over_3200)";

/// The statements that put messages into the record, to be run in one transaction. `received_at` is RFC 3339.
#[must_use]
pub fn statements(messages: &[Message], received_at: &str) -> Vec<Statement> {
    let events = messages.iter().flat_map(Message::events);
    [happened(events), told(messages, received_at)].concat()
}

/// The statements that put into the record what happened to people, and what was ended.
#[must_use]
pub fn happened<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Statement> {
    let (mut exposures, mut variants, mut names) = (Vec::new(), Vec::new(), rows::Names::default());
    let (mut conversions, mut identities, mut endings) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        match &event.what {
            What::Exposed(exposure) => {
                let row = rows::exposure(event, exposure);
                names.add(&row);
                variants.push(rows::met(&row));
                exposures.push(Value::Array(row));
                identities.extend(identity(event, &exposure.exposed_at));
            }
            What::Converted(conversion) => {
                conversions.push(rows::conversion(event, conversion));
                identities.extend(identity(event, &conversion.converted_at));
            }
            What::EndedEarly(ended) => endings.push(json!([
                event.id,
                event.project,
                ended.experiment_id,
                ended.variant,
                ended.ended_reason,
                ended.ended_at
            ])),
            What::Identified => identities.extend(identity(event, &event.at)),
        }
    }
    let [iterations, variant_ids, revisions, segments] = names.rows();
    written(vec![
        (steps::ITERATIONS, iterations),
        (steps::VARIANTS, variant_ids),
        (steps::REVISIONS, revisions),
        (steps::SEGMENTS, segments),
        (steps::EXPOSED, exposures),
        (steps::SECOND_VARIANTS, variants),
        (CONVERSIONS, conversions),
        (IDENTITIES, identities),
        (ENDINGS, endings),
    ])
}

/// The statements that put into the record what isolates tell of themselves.
#[must_use]
pub fn told(messages: &[Message], received_at: &str) -> Vec<Statement> {
    let day = received_at.get(..10).unwrap_or_default();
    let visits =
        || messages.iter().flat_map(|message| message.visits.iter().map(move |visit| (&message.source, visit)));
    let served = visits().filter_map(|(source, visit)| {
        let served = visit.served?;
        Some(json!([source, served.crawlers, served.visits, day]))
    });
    let health = visits().flat_map(|(source, visit)| visit.health.iter().map(move |row| rows::health(source, row)));
    written(vec![
        (SERVED, served.collect()),
        (ORIGIN_HEALTH, health.collect()),
        (ARRIVALS, arrivals::rows(visits().map(|(source, visit)| (source.as_str(), visit.seq)), day)),
    ])
}

/// Statements with their rows, those that have any.
fn written(statements: Vec<(&str, Vec<Value>)>) -> Vec<Statement> {
    let any = statements.into_iter().filter(|(_, rows)| !rows.is_empty());
    any.map(|(text, rows)| Statement { sql: steps::sql(text, "json_each(?1)"), rows: Value::Array(rows).to_string() })
        .collect()
}

/// How long it is kept what each isolate sent, served and heard of the origin.
const KEPT_DAYS: i64 = 90;

/// Statements that forget, a few thousand rows each, what isolates told more than ninety days ago: to be run every hour or
/// so. `?1` is the day, or the hour.
#[must_use]
pub fn prune(now: Timestamp) -> Vec<question::Question> {
    let before = Timestamp::from_millis(now.millis() - KEPT_DAYS * 86_400_000).to_string();
    let prune = |sql: &str, length: usize| question::Question {
        sql: sql.to_owned(),
        values: vec![json!(before.get(..length).unwrap_or_default())],
    };
    vec![
        prune("DELETE FROM arrivals WHERE source IN (SELECT source FROM arrivals WHERE heard_on < ?1 LIMIT 5000)", 10),
        prune(
            "DELETE FROM served WHERE source IN (SELECT source FROM served WHERE coalesce(heard_on, '') < ?1 \
AND source NOT IN (SELECT source FROM arrivals) LIMIT 5000)",
            10,
        ),
        prune(
            "DELETE FROM origin_health WHERE (project, experiment_id, iteration, variant, hour, source) IN \
(SELECT project, experiment_id, iteration, variant, hour, source FROM origin_health WHERE hour < ?1 LIMIT 5000)",
            13,
        ),
    ]
}

/// That a visitor and a user are one person; `None` where an event does not name both.
fn identity(event: &Event, at: &str) -> Option<Value> {
    let (visitor, user) = (event.anonymous_id.as_deref()?, event.user_id.as_deref()?);
    Some(json!([event.project, visitor, user, at]))
}
