//! The record: SQL, deduplication, archive layout. Builds statements and reads rows; runs none.
//!
//! D1 allows 100 bound parameters a statement, so rows go in as one JSON text that `json_each` takes apart: a batch of
//! a thousand events is one statement a table. Every statement may be repeated and reordered without changing the
//! outcome, because the queue delivers at least once and in no order.

use crate::events::{Event, Message, What};
use serde_json::{Value, json};

/// A statement and its one parameter, a JSON array of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The SQL; `?1` is the rows.
    pub sql: &'static str,
    /// The rows, as a JSON array of arrays.
    pub rows: String,
}

/// The earliest exposure of a unit wins, of equals the variant that sorts first, whatever order they arrive in.
const EXPOSURES: &str = "INSERT INTO exposures (id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, \
user_id, reason, exposed_at, config_revision, country, device, browser, visitor_type) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, \
value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15 FROM json_each(?1) WHERE true \
ON CONFLICT (id) DO UPDATE SET variant = excluded.variant, anonymous_id = excluded.anonymous_id, user_id = excluded.user_id, \
reason = excluded.reason, exposed_at = excluded.exposed_at, config_revision = excluded.config_revision, \
country = excluded.country, device = excluded.device, browser = excluded.browser, visitor_type = excluded.visitor_type \
WHERE (excluded.exposed_at, excluded.variant) < (exposures.exposed_at, exposures.variant)";

const EXPOSURE_VARIANTS: &str = "INSERT INTO exposure_variants (exposure_id, variant, first_at) \
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true \
ON CONFLICT (exposure_id, variant) DO UPDATE SET first_at = excluded.first_at \
WHERE excluded.first_at < exposure_variants.first_at";

const MESSAGES: &str = "INSERT INTO messages (source, seq) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true \
ON CONFLICT DO NOTHING";

/// The statements that put messages into the record, to be run in one transaction.
#[must_use]
pub fn statements(messages: &[Message]) -> Vec<Statement> {
    let mut exposures = Vec::new();
    let mut variants = Vec::new();
    for event in messages.iter().flat_map(|message| &message.events) {
        let What::Exposed(exposure) = &event.what;
        exposures.push(exposure_row(event, exposure));
        variants.push(json!([event.id, exposure.variant, exposure.exposed_at]));
    }
    let numbers: Vec<Value> = messages.iter().map(|message| json!([message.source, message.seq])).collect();
    [(EXPOSURES, exposures), (EXPOSURE_VARIANTS, variants), (MESSAGES, numbers)]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(sql, rows)| Statement { sql, rows: Value::Array(rows).to_string() })
        .collect()
}

fn exposure_row(event: &Event, exposure: &crate::events::Exposure) -> Value {
    let unit_id = match exposure.unit.as_str() {
        "user" => event.user_id.as_deref(),
        "session" => exposure.session_id.as_deref(),
        _ => event.anonymous_id.as_deref(),
    };
    json!([
        event.id,
        event.project,
        exposure.experiment_id,
        exposure.iteration,
        exposure.variant,
        exposure.unit,
        unit_id.unwrap_or(""),
        event.anonymous_id,
        event.user_id,
        exposure.reason,
        exposure.exposed_at,
        event.config_revision,
        exposure.request.country,
        exposure.request.device,
        exposure.request.browser,
        exposure.request.visitor_type,
    ])
}

/// The archive's object of a batch: its key and its content, one event a line.
///
/// `received_at` is RFC 3339. The key is partitioned as warehouses load it, and named after the batch's first message,
/// so that a batch that is delivered again overwrites itself.
#[must_use]
pub fn archive(messages: &[Message], received_at: &str) -> Option<(String, String)> {
    let first = messages.first()?;
    let (day, hour) = (received_at.get(..10)?, received_at.get(11..13)?);
    let mut lines = String::new();
    for message in messages {
        for event in &message.events {
            lines.push_str(&serde_json::to_string(event).ok()?);
            lines.push('\n');
        }
    }
    let name = format!("{}-{}-{}", first.source, first.seq, messages.len());
    Some((format!("events/dt={day}/hour={hour}/{name}.ndjson"), lines))
}
