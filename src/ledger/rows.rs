//! Events → rows.

use crate::events::health::OriginHealth;
use crate::events::{Conversion, Event, Exposure, minor_value};
use serde_json::{Value, json};

pub(super) fn exposure(event: &Event, exposure: &Exposure) -> Value {
    let unit_id = match exposure.unit.as_str() {
        "user" => event.user_id.as_deref(),
        "session" => exposure.session_id.as_deref(),
        _ => event.anonymous_id.as_deref(),
    };
    // why: as text, for that is how the rollup tells them apart; a map of this kind is sorted
    let versions = (!exposure.versions.is_empty()).then(|| json!(exposure.versions).to_string());
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
        exposure.request.region,
        exposure.request.referrer_host,
        exposure.request.logged_in.map(|is| if is { "true" } else { "false" }),
        exposure.fallback.then_some("true"),
        versions,
    ])
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
