//! The archive: what came, as it came, one event a line.

use crate::events::Message;
use crate::hash;

/// The archive's object of a batch: its key and its content, one event a line. `None` where there is nothing to keep.
///
/// `received_at` is RFC 3339. The key is partitioned as warehouses load it, and named after the content, so that a batch
/// that is delivered again overwrites itself and no other batch ever does.
#[must_use]
pub fn archive(messages: &[Message], received_at: &str) -> Option<(String, String)> {
    let (day, hour) = (received_at.get(..10)?, received_at.get(11..13)?);
    let mut lines = String::new();
    for event in messages.iter().flat_map(Message::events) {
        lines.push_str(&serde_json::to_string(event).ok()?);
        lines.push('\n');
    }
    if lines.is_empty() {
        return None;
    }
    let name = hash::event_id(&[&lines]);
    Some((format!("events/dt={day}/hour={hour}/{name}.ndjson"), lines))
}
