//! The record and the archive in operation: what is asked, deleted and written anew to forget a person or to drop an old
//! iteration. Only the tool does that, so none of it is in the worker.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The users whom a visitor was identified as: `?1` the visitor, `?2` the project or null. Column `id`.
pub const USERS_OF: &str = "SELECT DISTINCT user_id AS id FROM identities WHERE anonymous_id = ?1 AND (?2 IS NULL OR project = ?2) ORDER BY id";

/// The visitors who were identified as a user: as [`USERS_OF`], the other way round.
pub const VISITORS_OF: &str = "SELECT DISTINCT anonymous_id AS id FROM identities WHERE user_id = ?1 AND (?2 IS NULL OR project = ?2) ORDER BY id";

/// After the start of a statement, the rows that name a person. `?2`, the orders, is not asked here.
macro_rules! persons {
    ($start:literal) => {
        concat!(
            $start,
            " WHERE (?3 IS NULL OR project = ?3) AND (anonymous_id IN (SELECT value FROM json_each(?1)) \
OR user_id IN (SELECT value FROM json_each(?1)))"
        )
    };
}

/// The same of conversions: refunds name an order.
macro_rules! outcomes {
    ($start:literal) => {
        concat!(
            $start,
            " FROM conversions WHERE (?3 IS NULL OR project = ?3) AND (anonymous_id IN (SELECT value FROM json_each(?1)) \
OR user_id IN (SELECT value FROM json_each(?1)) OR refund_of IN (SELECT value FROM json_each(?2)))"
        )
    };
}

/// The orders of a person, whose refunds name nobody: parameters as [`Person::parameters`]. Column `id`.
pub const ORDERS_OF: &str = concat!(
    "SELECT DISTINCT id FROM (",
    persons!("SELECT transaction_id AS id FROM conversions"),
    ") WHERE id IS NOT NULL"
);

/// What the record holds of a person: the table, the statement that counts it (column `n`), and the one that deletes it,
/// in the order in which they are run, each with [`Person::parameters`].
pub const FORGET: [(&str, &str, &str); 4] = [
    (
        "exposure_variants",
        concat!(
            "SELECT count(*) AS n FROM exposure_variants WHERE exposure_id IN (",
            persons!("SELECT id FROM exposures"),
            ")"
        ),
        concat!("DELETE FROM exposure_variants WHERE exposure_id IN (", persons!("SELECT id FROM exposures"), ")"),
    ),
    ("exposures", persons!("SELECT count(*) AS n FROM exposures"), persons!("DELETE FROM exposures")),
    ("conversions", outcomes!("SELECT count(*) AS n"), outcomes!("DELETE")),
    ("identities", persons!("SELECT count(*) AS n FROM identities"), persons!("DELETE FROM identities")),
];

/// The projects that have an iteration on record: `?1` experiment, `?2` iteration, `?3` the project or null.
pub const PROJECTS_OF: &str = "SELECT project FROM exposures WHERE experiment_id = ?1 AND iteration = ?2 \
AND (?3 IS NULL OR project = ?3) UNION SELECT project FROM origin_health WHERE experiment_id = ?1 AND iteration = ?2 \
AND (?3 IS NULL OR project = ?3)";

/// The rows of an iteration, a few thousand at a time: the table and its statement, with `?1` project, `?2` experiment, `?3`
/// iteration and `?4` the `place` of the last row so far, or nothing.
pub const EXPORT: [(&str, &str); 3] = [
    (
        "exposures",
        "SELECT *, id AS place FROM exposures WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 AND id > ?4 \
ORDER BY id LIMIT 2000",
    ),
    (
        "exposure_variants",
        "SELECT v.*, v.exposure_id || ' ' || v.variant AS place FROM exposures e JOIN exposure_variants v ON v.exposure_id = e.id \
WHERE e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3 AND v.exposure_id || ' ' || v.variant > ?4 \
ORDER BY place LIMIT 2000",
    ),
    (
        "origin_health",
        "SELECT *, variant || ' ' || hour || ' ' || source AS place FROM origin_health WHERE project = ?1 AND experiment_id = ?2 \
AND iteration = ?3 AND variant || ' ' || hour || ' ' || source > ?4 ORDER BY place LIMIT 2000",
    ),
];

/// Deletes a few thousand rows of an iteration: in one transaction, until nothing changes. `?1` project, `?2` experiment,
/// `?3` iteration.
pub const DROP: [&str; 3] = [
    "DELETE FROM exposure_variants WHERE exposure_id IN (SELECT id FROM exposures WHERE project = ?1 AND experiment_id = ?2 \
AND iteration = ?3 ORDER BY id LIMIT 2000)",
    "DELETE FROM exposures WHERE id IN (SELECT id FROM exposures WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 \
ORDER BY id LIMIT 2000)",
    "DELETE FROM origin_health WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3",
];

/// Somebody who wants to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Their visitor ids and user ids.
    pub ids: BTreeSet<String>,
    /// The `transaction_id` of their orders: refunds name nothing else.
    pub orders: BTreeSet<String>,
    /// The project, where it matters.
    pub project: Option<String>,
}

impl Person {
    /// The parameters of the statements: ids, orders, project.
    #[must_use]
    pub fn parameters(&self) -> Value {
        json!([json!(self.ids).to_string(), json!(self.orders).to_string(), self.project])
    }

    /// An object of the archive without the events of the person, and how many those were; no text: nothing is left.
    /// `None` where it holds none of them. Knows lines of events, and a waiting message or dead letter in one line; a letter
    /// that cannot be read and names the person goes whole.
    #[must_use]
    pub fn removed_from(&self, text: &str) -> Option<(Option<String>, usize)> {
        if !self.ids.iter().chain(&self.orders).any(|id| holds(text, id)) {
            return None;
        }
        let (mut rest, mut gone) = (String::new(), 0);
        for line in text.lines() {
            if let Some(line) = self.removed_from_line(line, &mut gone) {
                rest.extend([line.as_str(), "\n"]);
            }
        }
        (gone > 0).then(|| ((!rest.is_empty()).then_some(rest), gone))
    }

    fn removed_from_line(&self, line: &str, gone: &mut usize) -> Option<String> {
        let parsed = serde_json::from_str::<Value>(line);
        let Ok(mut value) = parsed else {
            *gone += 1;
            return None;
        };
        let letter = value.get("body").is_some();
        let message = if letter { value.pointer_mut("/body") } else { Some(&mut value) };
        if let Some(Value::Array(visits)) = message.and_then(|message| message.get_mut("visits")) {
            // why: a visit that has lost its events keeps its number, which would count as lost otherwise
            for events in visits.iter_mut().filter_map(|visit| visit.get_mut("events")?.as_array_mut()) {
                self.remove_from(events, gone);
            }
            return Some(value.to_string());
        }
        let events = if letter { value.pointer_mut("/body/events") } else { value.get_mut("events") };
        if let Some(Value::Array(events)) = events {
            self.remove_from(events, gone);
            let left = !events.is_empty();
            return left.then(|| value.to_string());
        }
        if letter || self.names(&value) {
            *gone += 1;
            return None;
        }
        Some(line.to_owned())
    }

    fn remove_from(&self, events: &mut Vec<Value>, gone: &mut usize) {
        let before = events.len();
        events.retain(|event| !self.names(event));
        *gone += before - events.len();
    }

    /// Whether an event is the person's.
    fn names(&self, event: &Value) -> bool {
        let field = |name: &str| event.get(name).and_then(Value::as_str);
        let here = self.project.as_deref().is_none_or(|project| field("project") == Some(project));
        let own = ["anonymous_id", "user_id"].into_iter().filter_map(field).any(|id| self.ids.contains(id));
        here && (own || field("refund_of").is_some_and(|order| self.orders.contains(order)))
    }
}

/// Whether a JSON text holds a text as a value of its own, also within a text that is JSON itself.
fn holds(json: &str, text: &str) -> bool {
    let quoted = Value::from(text).to_string();
    json.contains(&quoted) || json.contains(&format!("\\\"{text}\\\""))
}
