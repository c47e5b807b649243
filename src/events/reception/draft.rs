//! One event of a body, as far as it can be read without knowing who sent it.

use super::view::view;
use super::{Claim, Draft, Reported};
use crate::condition::called;
use crate::events::money::{Currency, DEFAULT_EXPONENT, Decimal, MoneyError};
use crate::events::properties::{properties, versions};
use crate::events::reader::{Clock, MAX_BEHIND, MAX_BEHIND_OF_PAGE, Reader};
use crate::events::{Channel, Conversion, EndedEarly, Problem};
use crate::visitor::{MAX_ID, VisitorId, no_session_id};
use serde_json::Value;

/// The longest id of a session and a transaction, in bytes.
const MAX_KEY: usize = 128;

/// The longest name of an experiment or a variant elsewhere, in bytes.
const MAX_NAME: usize = 256;

const COMMON: [&str; 8] = ["type", "id", "project", "config_revision", "at", "anonymous_id", "user_id", "proof"];
const EXPOSED: [&str; 11] = [
    "experiment_id",
    "key",
    "iteration",
    "variant",
    "reason",
    "unit",
    "session_id",
    "exposed_at",
    "request",
    "versions",
    "fallback",
];
const CONVERTED: [&str; 11] = [
    "conversion_event",
    "value",
    "currency",
    "transaction_id",
    "refund_of",
    "session_id",
    "converted_at",
    "experiment_id",
    "variant",
    "channel",
    "properties",
];
const ENDED: [&str; 4] = ["experiment_id", "variant", "ended_reason", "ended_at"];

pub(super) fn draft(
    event: &Value,
    position: usize,
    channel: Channel,
    clock: Clock,
    problems: &mut Vec<Problem>,
) -> Option<Draft> {
    let path = format!("events[{position}]");
    let Value::Object(fields) = event else {
        problems.push(Problem::new(path, format!("it is {}, and an event is needed", called(event))));
        return None;
    };
    let mut reader = Reader { path, fields, problems };
    let kind = reader.required("type", |reader| reader.text("type", 64))?;
    let claim = match kind.as_str() {
        "experiment_exposed" => exposed(&mut reader, channel, clock),
        "experiment_converted" => converted(&mut reader, channel, clock),
        "experiment_ended_early" if channel == Channel::Page => {
            reader.complain("type", "only a server may say that an experiment ended");
            None
        }
        "experiment_ended_early" => ended(&mut reader, clock),
        "identified" => {
            reader.allow(&[&COMMON]);
            Some(Claim::Identified)
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            reader.complain(
                "type",
                format!(
                    "{shown:?} is none of experiment_exposed, experiment_converted, experiment_ended_early, identified"
                ),
            );
            None
        }
    };
    let user_id = reader.opaque("user_id", MAX_ID);
    let proof = reader.text("proof", 64);
    let (id, anonymous_id) = match channel {
        // why: who a page speaks for is in its cookie, whatever its body says
        Channel::Page => (reader.hex_id("id"), None),
        _ => {
            // why: what is an id is the document's to say, so `from_server` looks at it
            let text = reader.text("anonymous_id", MAX_ID);
            (reader.hex_id("id"), text)
        }
    };
    Some(Draft { position, proof, id, anonymous_id, user_id, claim: claim? })
}

fn exposed(reader: &mut Reader<'_>, channel: Channel, clock: Clock) -> Option<Claim> {
    reader.allow(&[&COMMON, &EXPOSED]);
    // why: who reports for another tool may know the experiment by its name there alone
    let field =
        if reader.get("experiment_id").is_none() && reader.get("key").is_some() { "key" } else { "experiment_id" };
    let experiment = reader.required(field, |reader| reader.text(field, MAX_NAME));
    let variant = reader.required("variant", |reader| reader.text("variant", MAX_NAME));
    let iteration = reader.get("iteration").map(Value::as_u64);
    if iteration == Some(None) {
        reader.complain("iteration", "a whole number is needed");
    }
    let session_id = session(reader);
    let behind = if channel == Channel::Page { MAX_BEHIND_OF_PAGE } else { MAX_BEHIND };
    let exposed_at = reader.time_within("exposed_at", clock, behind);
    let request = view(reader);
    let versions = versions(reader);
    Some(Claim::Exposed(Box::new(Reported {
        experiment: experiment?,
        field,
        variant: variant?,
        iteration: iteration.flatten(),
        session_id,
        exposed_at: exposed_at?,
        request,
        versions,
    })))
}

fn converted(reader: &mut Reader<'_>, channel: Channel, clock: Clock) -> Option<Claim> {
    reader.allow(&[&COMMON, &CONVERTED]);
    let conversion_event = reader.required("conversion_event", |reader| reader.opaque("conversion_event", 64));
    let currency = reader.text("currency", 8).and_then(|code| match Currency::try_from(code) {
        Ok(currency) => Some(currency),
        Err(problem) => {
            reader.complain("currency", problem);
            None
        }
    });
    let value = value(reader, channel, currency);
    let transaction_id = transaction(reader, "transaction_id");
    let refund_of = transaction(reader, "refund_of");
    let session_id = session(reader);
    let converted_at = reader.time("converted_at", clock);
    let (experiment_id, variant) = (reader.id("experiment_id"), reader.id("variant"));
    let properties = properties(reader);
    Some(Claim::Converted(Box::new(Conversion {
        conversion_event: conversion_event?,
        value,
        currency,
        transaction_id,
        refund_of,
        session_id,
        converted_at: converted_at?.to_string(),
        experiment_id,
        variant,
        channel,
        properties,
    })))
}

fn session(reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text("session_id", MAX_KEY);
    if text.as_deref().is_some_and(|text| VisitorId::accept(text).is_none()) {
        reader.complain("session_id", no_session_id());
    }
    text
}

/// Order numbers are often sent as numbers.
fn transaction(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    match reader.get(name) {
        Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
        _ => reader.opaque(name, MAX_KEY),
    }
}

fn value(reader: &mut Reader<'_>, channel: Channel, currency: Option<Currency>) -> Option<Decimal> {
    let read = match reader.get("value")? {
        Value::Number(number) => Decimal::from_json(number).map_err(|error| error.to_string()),
        Value::String(text) => text.parse().map_err(|error: MoneyError| error.to_string()),
        other => Err(format!("it is {}, and a decimal number is needed", called(other))),
    };
    let exponent = currency.map_or(DEFAULT_EXPONENT, Currency::exponent);
    let problem = match read {
        Err(problem) => problem,
        Ok(value) if value.is_negative() && channel == Channel::Page => {
            "a page cannot report money that goes back: send refunds from a server".to_owned()
        }
        // why: a currency that is wrong has been complained about, and its digits are not known
        Ok(value) if currency.is_none() && reader.get("currency").is_some() => return Some(value),
        Ok(value) => match value.minor(exponent) {
            Ok(_) => return Some(value),
            Err(problem) => problem.to_string(),
        },
    };
    reader.complain("value", problem);
    None
}

fn ended(reader: &mut Reader<'_>, clock: Clock) -> Option<Claim> {
    reader.allow(&[&COMMON, &ENDED]);
    let experiment_id = reader.required("experiment_id", |reader| reader.id("experiment_id"));
    let variant = reader.id("variant");
    let ended_reason = reader.required("ended_reason", |reader| reader.opaque("ended_reason", 256));
    let ended_at = reader.time("ended_at", clock)?.to_string();
    Some(Claim::Ended(EndedEarly { experiment_id: experiment_id?, variant, ended_reason: ended_reason?, ended_at }))
}
