//! The archive: what came, as it came, one event a line.

use crate::events::health::OriginHealth;
use crate::events::{Message, Served};
use crate::hash;
use serde::Serialize;

/// The archive's object of a batch: its key and its content, one event a line. `None` where there is nothing to keep.
///
/// `received_at` is RFC 3339. The key is partitioned as warehouses load it, and named after the content, so that a batch
/// that is delivered again overwrites itself and no other batch ever does.
#[must_use]
pub fn archive(messages: &[Message], received_at: &str) -> Option<(String, String)> {
    object("events", received_at, messages.iter().flat_map(Message::events))
}

/// What is archived of a visit besides its events: by the numbers loss can be told, by the rest crawlers and how the origin
/// is, and what depends on them, without a database.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    served: Option<Served>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    health: &'a [OriginHealth],
}

/// The archive's second object of a batch: the visits' running numbers, what the isolate served and how the origin is, one
/// visit a line; see [`archive`].
#[must_use]
pub fn archive_visits(messages: &[Message], received_at: &str) -> Option<(String, String)> {
    let lines = messages.iter().flat_map(|message| {
        message.visits.iter().map(|visit| Line {
            source: &message.source,
            seq: visit.seq,
            served: visit.served,
            health: &visit.health,
        })
    });
    object("messages", received_at, lines)
}

fn object(folder: &str, received_at: &str, items: impl Iterator<Item = impl Serialize>) -> Option<(String, String)> {
    let (day, hour) = (received_at.get(..10)?, received_at.get(11..13)?);
    let mut lines = String::new();
    for item in items {
        lines.push_str(&serde_json::to_string(&item).ok()?);
        lines.push('\n');
    }
    if lines.is_empty() {
        return None;
    }
    let name = hash::event_id(&[&lines]);
    Some((format!("{folder}/dt={day}/hour={hour}/{name}.ndjson"), lines))
}
