//! Events → rows.

use crate::events::health::OriginHealth;
use crate::events::{Channel, Conversion, Event, Exposure, minor_value};
use crate::hash;
use serde_json::{Value, json};

pub(super) fn exposure(event: &Event, exposure: &Exposure) -> Value {
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
    let mut row = vec![
        json!(event.id),
        json!(event.project),
        json!(conversion.conversion_event),
        json!(minor),
        json!(conversion.currency),
        json!(conversion.transaction_id),
        json!(conversion.refund_of),
        json!(event.anonymous_id),
        json!(event.user_id),
        json!(conversion.experiment_id),
        json!(conversion.variant),
        json!(conversion.converted_at),
        json!(conversion.channel),
        json!(event.config_revision),
        json!(properties),
    ];
    let trust = if conversion.channel == Channel::Page { 1 } else { 0 };
    let rest = hash::event_id(&[&Value::Array(row.clone()).to_string()]);
    row.push(json!(format!("{trust} {} {rest}", conversion.converted_at)));
    Value::Array(row)
}
