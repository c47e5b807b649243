//! Bodies that pages and servers send → events.
//!
//! In two steps: [`read`] looks at the body alone and collects everything that is wrong with it; [`from_page`] and
//! [`from_server`] fill in what the worker knows and hold the claims against it. A page speaks for its own visitor only:
//! who that is comes from the cookie, and which variants it may claim to have met from the same decision that every page
//! of that visitor is served by.

mod claim;
mod draft;
mod halves;
mod page;
mod proof;
mod server;
mod view;

pub use claim::{claimed, conversion_id};
pub use page::{Page, from_page};
pub use proof::proof;
pub use server::from_server;

use super::reader::{Clock, Reader};
use super::{Channel, Conversion, EndedEarly, MAX_EVENTS, PageView, Problem};
use crate::condition::called;
use crate::document::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// What a sender of events claims, checked as far as its body goes.
#[derive(Clone, Debug)]
pub struct Draft {
    position: usize,
    /// What a page brings along for the user that it names.
    proof: Option<String>,
    id: Option<String>,
    anonymous_id: Option<String>,
    user_id: Option<String>,
    claim: Claim,
}

#[derive(Clone, Debug)]
enum Claim {
    Exposed(Box<Reported>),
    Converted(Box<Conversion>),
    Ended(EndedEarly),
    Identified,
}

/// An exposure that somebody reports.
#[derive(Clone, Debug)]
struct Reported {
    /// The experiment's id, or its name elsewhere.
    experiment: String,
    /// The field that names it.
    field: &'static str,
    /// The variant's id, or its name elsewhere.
    variant: String,
    iteration: Option<u64>,
    session_id: Option<String>,
    exposed_at: Timestamp,
    request: PageView,
    versions: BTreeMap<String, String>,
}

/// Reads a body: `{"events": [ … ]}`, and optionally `sent_at`, the sender's clock, by which its times are corrected.
/// `now` in milliseconds since 1970.
///
/// # Errors
///
/// Everything that is wrong with it, each with its field: `events[2].value: …`.
pub fn read(body: &[u8], channel: Channel, now: i64) -> Result<Vec<Draft>, Vec<Problem>> {
    let whole = |message: &str| vec![Problem::new("", message)];
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("it is empty: send {\"events\": [ … ]}"));
    }
    if body.len() > MAX_BODY {
        return Err(whole("it is larger than 64 KiB: send fewer events at a time"));
    }
    // why: an outcome is worth more than a text that was cut
    let mended = |error| halves::without_halves(body).map_or(Err(error), |mended| serde_json::from_slice(&mended));
    let value: Value =
        serde_json::from_slice(body).or_else(mended).map_err(|error| whole(&format!("it is not JSON: {error}")))?;
    let Value::Object(fields) = &value else {
        return Err(whole(&format!("it is {}: send {{\"events\": [ … ]}}", called(&value))));
    };
    let mut problems = Vec::new();
    let mut top = Reader { path: String::new(), fields, problems: &mut problems };
    top.allow(&[&["events", "sent_at"]]);
    let sent_at = top.get("sent_at").is_some().then(|| top.text("sent_at", 64)).flatten();
    let correction = match sent_at.as_deref().map(str::parse::<Timestamp>) {
        None => 0,
        Some(Ok(sent_at)) => now.saturating_sub(sent_at.millis()),
        Some(Err(problem)) => {
            top.complain("sent_at", problem);
            0
        }
    };
    let events = match top.get("events").cloned() {
        Some(Value::Array(events)) if events.is_empty() => {
            top.complain("events", "it is empty: send at least one event");
            Vec::new()
        }
        Some(Value::Array(events)) if events.len() > MAX_EVENTS => {
            top.complain("events", format!("{} events are more than {MAX_EVENTS}: send several bodies", events.len()));
            Vec::new()
        }
        Some(Value::Array(events)) => events,
        Some(other) => {
            top.complain("events", format!("it is {}, and a list of events is needed", called(&other)));
            Vec::new()
        }
        None => {
            top.complain("events", "it is missing: send {\"events\": [ … ]}");
            Vec::new()
        }
    };
    let clock = Clock { now, correction };
    let drafts: Vec<Draft> = events
        .iter()
        .enumerate()
        .filter_map(|(position, event)| draft::draft(event, position, channel, clock, &mut problems))
        .collect();
    if problems.is_empty() { Ok(drafts) } else { Err(problems) }
}
