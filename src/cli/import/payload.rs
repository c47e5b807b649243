//! A payload as JSON, and whose it is.

use super::{Failure, Vendor};
use serde_json::Value;

/// Reads a payload of this tool.
///
/// # Errors
///
/// What it is instead, and what to do.
pub(super) fn read(vendor: Vendor, text: &str) -> Result<Value, Failure> {
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let what = if text.trim().is_empty() {
            "is empty".to_owned()
        } else if error.is_eof() {
            format!("is cut off: its JSON ends at line {}, column {}", error.line(), error.column())
        } else {
            format!("is no JSON: {error}")
        };
        Failure::refused("payload", format!("{what}: download it again from where the SDK gets it"))
    })?;
    let value = match value {
        // why: Convert's configuration may come in an envelope
        Value::Object(mut members) if members.get("data").is_some_and(|data| data.get("experiences").is_some()) => {
            members.remove("data").unwrap_or_default()
        }
        value => value,
    };
    if let Some(message) = unreadable(vendor, &value) {
        return Err(Failure::refused("payload", message));
    }
    match kinds(&value).as_slice() {
        found if found.contains(&vendor) => Ok(value),
        [] => Err(Failure::refused("payload", format!("it is no payload of {}: {}", vendor.word(), expected(vendor)))),
        [other, ..] => Err(Failure::refused(
            "payload",
            format!(
                "it is a payload of {}, not of {}: write `sortition import {}`",
                other.word(),
                vendor.word(),
                other.word()
            ),
        )),
    }
}

/// What the tool's payload looks like.
fn expected(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Growthbook => {
            "it has `features` or `experiments` (https://cdn.growthbook.io/api/features/<client key>)"
        }
        Vendor::Launchdarkly => {
            "it has `flags` and `segments` (https://sdk.launchdarkly.com/sdk/latest-all, or the KV key LD-Env-<id>)"
        }
        Vendor::Statsig => {
            "it has `feature_gates` and `dynamic_configs` (https://statsigapi.net/v1/download_config_specs)"
        }
        Vendor::Optimizely => {
            "it is a datafile of version 4, with `experiments` and `rollouts` (https://cdn.optimizely.com/datafiles/<SDK key>.json)"
        }
        Vendor::Posthog => "it has `flags` with `filters` (/api/feature_flag/local_evaluation?send_cohorts)",
        Vendor::Convert => "it has `experiences` (https://cdn-4.convertexperiments.com/api/v1/config/<SDK key>)",
        Vendor::Eppo => {
            "it has `flags` with `allocations` and the format SERVER (https://fscdn.eppo.cloud/api/flag-config/v1/config)"
        }
        Vendor::Unleash => "it has `features` as a list with `strategies` (/api/client/features)",
        Vendor::Split => "it has `splits` (https://sdk.split.io/api/splitChanges?since=-1)",
        Vendor::Vwo => {
            "it has `campaigns` and `features` (https://dev.visualwebsiteoptimizer.com/server-side/v2-settings)"
        }
    }
}

/// Payloads that say that they cannot be read.
fn unreadable(vendor: Vendor, value: &Value) -> Option<String> {
    let has = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
    if has("encryptedFeatures") || has("encryptedExperiments") {
        return Some("it is encrypted (`encryptedFeatures`): turn off encryption for the SDK connection, or decrypt it with its key, and import that".to_owned());
    }
    let format = value.get("format").and_then(Value::as_str);
    if vendor == Vendor::Eppo && format.is_some_and(|format| format != "SERVER") {
        return Some(format!(
            "it is obfuscated (format {:?}): download the payload of a server SDK key",
            format.unwrap_or_default()
        ));
    }
    if value.get("obfuscated") == Some(&Value::Bool(true)) {
        return Some("it is obfuscated: download the payload of a server SDK key".to_owned());
    }
    if vendor == Vendor::Optimizely
        && let Some(version) = value.get("version").and_then(Value::as_str)
        && version != "4"
    {
        return Some(format!("it is a datafile of version {version}: only version 4 is known, download it anew"));
    }
    let evaluated = |flags: &Value| {
        flags.as_object().is_some_and(|flags| {
            !flags.is_empty()
                && flags.values().all(|flag| {
                    flag.get("value").is_some()
                        && flag.get("variations").is_none()
                        && flag.get("flagVersion").or_else(|| flag.get("variation")).is_some()
                })
        })
    };
    if vendor == Vendor::Launchdarkly && (evaluated(value) || value.get("flags").is_some_and(evaluated)) {
        return Some(
            "it holds results for one context (a client-side payload), not rules: download it with a server SDK key"
                .to_owned(),
        );
    }
    None
}

/// The tools that the payload may be of.
fn kinds(value: &Value) -> Vec<Vendor> {
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let map = |name: &str| value.get(name).and_then(Value::as_object);
    let any_has = |name: &str, field: &str| {
        map(name).is_some_and(|all| all.is_empty() || all.values().any(|one| one.get(field).is_some()))
    };
    let list_has = |name: &str, field: &str| {
        list(name).is_some_and(|all| all.is_empty() || all.iter().any(|one| one.get(field).is_some()))
    };
    let mut kinds = Vec::new();
    if list("experiences").is_some() {
        kinds.push(Vendor::Convert);
    }
    if value.get("splits").or_else(|| value.pointer("/ff/d")).is_some_and(Value::is_array) {
        kinds.push(Vendor::Split);
    }
    if value.get("feature_gates").or_else(|| value.get("dynamic_configs")).is_some() {
        kinds.push(Vendor::Statsig);
    }
    if list("campaigns").is_some() {
        kinds.push(Vendor::Vwo);
    }
    if list("rollouts").is_some() || (list("experiments").is_some() && value.get("projectId").is_some()) {
        kinds.push(Vendor::Optimizely);
    }
    if list_has("flags", "filters") {
        kinds.push(Vendor::Posthog);
    }
    if list_has("features", "strategies")
        || value.get("segments").is_some_and(Value::is_array) && list("features").is_some()
    {
        kinds.push(Vendor::Unleash);
    }
    if any_has("flags", "allocations") {
        kinds.push(Vendor::Eppo);
    }
    if any_has("flags", "variations") && !any_has("flags", "allocations")
        || map("flags").is_some_and(serde_json::Map::is_empty)
    {
        kinds.push(Vendor::Launchdarkly);
    }
    if map("features").is_some()
        || (list("experiments").is_some() && value.get("projectId").is_none() && list("rollouts").is_none())
    {
        kinds.push(Vendor::Growthbook);
    }
    kinds
}

/// A member as text; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member as a list; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member as a number.
pub(super) fn float(value: &Value, name: &str) -> Option<f64> {
    value.get(name).and_then(Value::as_f64)
}

/// A member that is true.
pub(super) fn truth(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Whether a member is there and says something.
pub(super) fn says(value: &Value, name: &str) -> bool {
    match value.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}
