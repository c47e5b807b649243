//! Audiences that a person leaves by going on: asked on every request, they end an experiment on its second page.

use crate::document::{Audience, Document, Experiment, Kind, Status};
use serde_json::Value;

/// The facts that hold for one request.
const MOMENTARY: [&str; 5] = ["visitor_type", "utm", "referrer", "referrer_host", "query"];

pub(super) fn check(document: &Document, experiment: &Experiment, report: &mut impl FnMut(&str, String)) {
    if experiment.kind != Kind::Experiment || experiment.status != Status::Running || experiment.is_sticky() {
        return;
    }
    let fact = match &experiment.audience {
        Some(Audience::Named(name)) => document.audiences.get(name).and_then(momentary),
        Some(Audience::Condition(condition)) => condition.iter().find_map(|(key, value)| of_member(key, value)),
        None => None,
    };
    if let Some(fact) = fact {
        report(
            "sticky",
            format!(
                "its audience asks for `{fact}`, which holds for one request, so that people leave it on their next page: remove `sticky`"
            ),
        );
    }
}

fn momentary(condition: &Value) -> Option<&str> {
    match condition {
        Value::Object(members) => members.iter().find_map(|(key, value)| of_member(key, value)),
        Value::Array(conditions) => conditions.iter().find_map(momentary),
        _ => None,
    }
}

fn of_member<'a>(key: &'a str, value: &'a Value) -> Option<&'a str> {
    if key.starts_with('$') {
        return momentary(value);
    }
    let root = key.split('.').next().unwrap_or(key);
    MOMENTARY.contains(&root).then_some(key)
}
