//! What the record relies on in a message that came through the queue.

use super::health::{MAX_HEALTH, OriginHealth};
use super::money::{Currency, DEFAULT_EXPONENT, MAX_MINOR, MoneyError};
use super::{Conversion, Event, Message, Problem, Visit, What, bounds, versions};
use crate::document::Timestamp;

/// The first field that no producer of ours would have written.
pub(super) fn check(message: &Message) -> Result<(), Problem> {
    let refuse = |field: String, message: &str| Err(Problem::new(field, message));
    if message.source.is_empty() || message.source.len() > 64 {
        return refuse("source".to_owned(), "it is no isolate's id");
    }
    for (number, visit) in message.visits.iter().enumerate() {
        check_visit(visit).map_err(|(field, message)| Problem::new(format!("visits[{number}].{field}"), message))?;
    }
    Ok(())
}

fn check_visit(visit: &Visit) -> Result<(), (String, String)> {
    let refuse = |field: String, message: &str| Err((field, message.to_owned()));
    if i64::try_from(visit.seq).is_err() {
        return refuse("seq".to_owned(), "it is no running number");
    }
    if visit.health.len() > MAX_HEALTH {
        return refuse("health".to_owned(), "it has more rows than a visit carries (64)");
    }
    if let Some(index) = visit.health.iter().position(|row| !is_sound(row)) {
        return refuse(format!("health[{index}]"), "its hour is none, or its numbers do not add up");
    }
    for (index, event) in visit.events.iter().enumerate() {
        check_event(event).map_err(|(field, message)| (format!("events[{index}].{field}"), message))?;
    }
    Ok(())
}

fn is_sound(row: &OriginHealth) -> bool {
    let hour = format!("{}:00:00.000Z", row.hour);
    let total: u64 = row.latency.iter().copied().map(u64::from).sum();
    time("hour", &hour).is_ok() && row.errors <= row.requests && total == u64::from(row.requests)
}

type Wrong = (&'static str, String);

fn check_event(event: &Event) -> Result<(), Wrong> {
    if event.id.len() != 32 || !event.id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Err(("id", "it is not 32 hexadecimal digits".to_owned()));
    }
    if event.project.is_empty() {
        return Err(("project", "it is empty".to_owned()));
    }
    if let Some((field, longest)) = bounds::too_long(event) {
        return Err((field, format!("it is longer than {longest} bytes")));
    }
    time("at", &event.at)?;
    match &event.what {
        What::Exposed(exposure) => {
            let unit = match exposure.unit.as_str() {
                "visitor" => &event.anonymous_id,
                "user" => &event.user_id,
                "session" => &exposure.session_id,
                _ => return Err(("unit", "it is none of visitor, user and session".to_owned())),
            };
            if unit.as_deref().is_none_or(str::is_empty) {
                return Err(("unit", "the event does not say which one".to_owned()));
            }
            let fits = |text: &String| text.len() <= versions::MAX_TEXT;
            if exposure.versions.len() > versions::MAX_VERSIONS
                || !exposure.versions.iter().all(|(name, version)| fits(name) && fits(version))
            {
                return Err(("versions", "they are too many or too long".to_owned()));
            }
            time("exposed_at", &exposure.exposed_at)
        }
        What::Converted(conversion) => {
            minor_value(conversion).map_err(|error| ("value", error.to_string()))?;
            time("converted_at", &conversion.converted_at)
        }
        What::EndedEarly(ended) => time("ended_at", &ended.ended_at),
        What::Identified if event.anonymous_id.is_none() || event.user_id.is_none() => {
            Err(("user_id", "an identification needs anonymous_id and user_id".to_owned()))
        }
        What::Identified => Ok(()),
    }
}

/// Times are compared as texts in SQL, so they must all be written alike.
fn time(field: &'static str, text: &str) -> Result<(), Wrong> {
    match text.parse::<Timestamp>() {
        Ok(time) if time.to_string() == text => Ok(()),
        _ => Err((field, "it is no time in UTC with milliseconds".to_owned())),
    }
}

/// The value in minor units of the currency.
///
/// # Errors
///
/// A value that the currency cannot have, or that is out of range.
pub(crate) fn minor_value(conversion: &Conversion) -> Result<Option<i64>, MoneyError> {
    let exponent = conversion.currency.map_or(DEFAULT_EXPONENT, Currency::exponent);
    let minor = conversion.value.map(|value| value.minor(exponent)).transpose()?;
    debug_assert!(minor.is_none_or(|minor| minor.abs() <= MAX_MINOR));
    Ok(minor)
}
