//! The record: SQL, deduplication, archive layout. Builds statements and reads rows; runs none.
//!
//! D1 allows 100 bound parameters a statement, so rows go in as one JSON text that `json_each` takes apart: a batch of
//! a thousand events is one statement a table. Every statement may be repeated and reordered without changing the
//! outcome, because the queue delivers at least once and in no order.

pub mod answer;
mod archive;
pub mod readout;
mod rows;
#[cfg(not(target_arch = "wasm32"))]
pub mod upkeep;

pub use archive::{archive, archive_visits};

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

/// Of several reports of one outcome the one of lowest `precedence` stays: a server's before a page's, then the earliest,
/// then by a hash of the rest, so that no order of arrival matters.
const CONVERSIONS: &str = "INSERT INTO conversions (id, project, conversion_event, value_minor, currency, transaction_id, \
refund_of, anonymous_id, user_id, experiment_id, variant, converted_at, channel, config_revision, properties, precedence) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, \
value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15 FROM json_each(?1) WHERE true \
ON CONFLICT (id) DO UPDATE SET project = excluded.project, conversion_event = excluded.conversion_event, \
value_minor = excluded.value_minor, currency = excluded.currency, transaction_id = excluded.transaction_id, \
refund_of = excluded.refund_of, anonymous_id = excluded.anonymous_id, user_id = excluded.user_id, \
experiment_id = excluded.experiment_id, variant = excluded.variant, converted_at = excluded.converted_at, \
channel = excluded.channel, config_revision = excluded.config_revision, properties = excluded.properties, \
precedence = excluded.precedence WHERE excluded.precedence < conversions.precedence";

const IDENTITIES: &str = "INSERT INTO identities (project, anonymous_id, user_id, identified_at) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true \
ON CONFLICT (project, anonymous_id, user_id) DO UPDATE SET identified_at = excluded.identified_at \
WHERE excluded.identified_at < identities.identified_at";

const ENDINGS: &str = "INSERT INTO endings (id, project, experiment_id, variant, ended_reason, ended_at) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?1) WHERE true \
ON CONFLICT (id) DO UPDATE SET ended_reason = excluded.ended_reason, ended_at = excluded.ended_at \
WHERE (excluded.ended_at, excluded.ended_reason) < (endings.ended_at, endings.ended_reason)";

const MESSAGES: &str = "INSERT INTO messages (source, seq) SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true \
ON CONFLICT DO NOTHING";

/// Running totals only rise, so the larger is the later.
const SERVED: &str = "INSERT INTO served (source, crawlers, visits) \
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true \
ON CONFLICT (source) DO UPDATE SET crawlers = max(excluded.crawlers, served.crawlers), \
visits = max(excluded.visits, served.visits)";

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

/// The statements that put messages into the record, to be run in one transaction.
#[must_use]
pub fn statements(messages: &[Message]) -> Vec<Statement> {
    let (mut exposures, mut variants) = (Vec::new(), Vec::new());
    let (mut conversions, mut identities, mut endings) = (Vec::new(), Vec::new(), Vec::new());
    for event in messages.iter().flat_map(Message::events) {
        match &event.what {
            What::Exposed(exposure) => {
                exposures.push(rows::exposure(event, exposure));
                variants.push(json!([event.id, exposure.variant, exposure.exposed_at]));
            }
            What::Converted(conversion) => conversions.push(rows::conversion(event, conversion)),
            What::EndedEarly(ended) => endings.push(json!([
                event.id,
                event.project,
                ended.experiment_id,
                ended.variant,
                ended.ended_reason,
                ended.ended_at
            ])),
            What::Identified => identities.push(identity(event)),
        }
    }
    let visits =
        || messages.iter().flat_map(|message| message.visits.iter().map(move |visit| (&message.source, visit)));
    let numbers: Vec<Value> = visits().map(|(source, visit)| json!([source, visit.seq])).collect();
    let served = visits().filter_map(|(source, visit)| {
        let served = visit.served?;
        Some(json!([source, served.crawlers, served.visits]))
    });
    let health = visits().flat_map(|(source, visit)| visit.health.iter().map(move |row| rows::health(source, row)));
    [
        (EXPOSURES, exposures),
        (EXPOSURE_VARIANTS, variants),
        (CONVERSIONS, conversions),
        (IDENTITIES, identities),
        (ENDINGS, endings),
        (SERVED, served.collect()),
        (ORIGIN_HEALTH, health.collect()),
        (MESSAGES, numbers),
    ]
    .into_iter()
    .filter(|(_, rows)| !rows.is_empty())
    .map(|(sql, rows)| Statement { sql, rows: Value::Array(rows).to_string() })
    .collect()
}

fn identity(event: &Event) -> Value {
    json!([event.project, event.anonymous_id, event.user_id, event.at])
}
