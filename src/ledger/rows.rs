//! Events → rows.

use crate::events::health::OriginHealth;
use crate::events::{Conversion, Event, Exposure, minor_value};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the exposures of a batch name, each once: iterations, variants, revisions, segments. Each set holds JSON texts.
#[derive(Default)]
pub(super) struct Names([BTreeSet<String>; 4]);

/// The fields of an exposure that a name is made of, in the order of [`Names`].
const FIELDS: [&[usize]; 4] = [&[1, 2, 3], &[4], &[11], &[12, 13, 14, 15, 16, 17, 18, 19, 20]];

impl Names {
    pub(super) fn add(&mut self, row: &[Value]) {
        for (names, fields) in self.0.iter_mut().zip(FIELDS) {
            let name: Vec<&Value> = fields.iter().filter_map(|field| row.get(*field)).collect();
            names.insert(json!(name).to_string());
        }
    }

    pub(super) fn rows(self) -> [Vec<Value>; 4] {
        self.0.map(|names| names.iter().filter_map(|name| serde_json::from_str(name).ok()).collect())
    }
}

/// That a unit met a variant, of an exposure's row: `[id, project, experiment, iteration, variant, unit, unit id, time]`.
pub(super) fn met(row: &[Value]) -> Value {
    row.iter().take(7).chain(row.get(10)).cloned().collect()
}

pub(super) fn exposure(event: &Event, exposure: &Exposure) -> Vec<Value> {
    let unit_id = match exposure.unit.as_str() {
        "user" => event.user_id.as_deref(),
        "session" => exposure.session_id.as_deref(),
        _ => event.anonymous_id.as_deref(),
    };
    // why: as text, for that is how the rollup tells them apart; a map of this kind is sorted
    let versions = (!exposure.versions.is_empty()).then(|| json!(exposure.versions).to_string());
    vec![
        json!(event.id),
        json!(event.project),
        json!(exposure.experiment_id),
        json!(exposure.iteration),
        json!(exposure.variant),
        json!(exposure.unit),
        json!(unit_id.unwrap_or("")),
        json!(event.anonymous_id),
        json!(event.user_id),
        json!(exposure.reason),
        json!(exposure.exposed_at),
        json!(event.config_revision),
        json!(exposure.request.country),
        json!(exposure.request.device),
        json!(exposure.request.browser),
        json!(exposure.request.visitor_type),
        json!(exposure.request.region),
        json!(exposure.request.referrer_host),
        json!(exposure.request.logged_in.map(|is| if is { "true" } else { "false" })),
        json!(exposure.fallback.then_some("true")),
        json!(versions),
    ]
}

pub(super) fn health(source: &str, row: &OriginHealth) -> Value {
    let mut values = vec![
        json!(row.project),
        json!(row.experiment_id),
        json!(row.iteration),
        json!(row.variant),
        json!(row.hour),
        json!(source),
        json!(row.requests),
        json!(row.errors),
    ];
    values.extend(row.latency.iter().map(|count| json!(count)));
    Value::Array(values)
}

pub(super) fn conversion(event: &Event, conversion: &Conversion) -> Value {
    // why: a message is checked before it comes here, so a value always fits
    let minor = minor_value(conversion).ok().flatten();
    let properties = Value::Object(conversion.properties.clone()).to_string();
    json!([
        event.id,
        event.project,
        conversion.conversion_event,
        minor,
        conversion.currency,
        conversion.transaction_id,
        conversion.refund_of,
        event.anonymous_id,
        event.user_id,
        conversion.experiment_id,
        conversion.variant,
        conversion.converted_at,
        conversion.channel,
        event.config_revision,
        properties,
        conversion.session_id,
    ])
}
