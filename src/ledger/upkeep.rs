//! The record and the archive in operation: what is asked, deleted and written anew to forget a person or to drop an old
//! iteration. Only the tool does that, so none of it is in the worker.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The projects of a table, by an index that begins with them: one lookup each, however many rows there are. `?N` or null
/// names the only one that is wanted.
macro_rules! projects {
    ($table:literal, $wanted:literal) => {
        concat!(
            "WITH RECURSIVE projects (project) AS (SELECT min(project) FROM ",
            $table,
            " UNION ALL SELECT (SELECT min(project) FROM ",
            $table,
            " t WHERE t.project > p.project) FROM projects p WHERE p.project IS NOT NULL), \
named (project) AS MATERIALIZED (SELECT project FROM projects WHERE project IS NOT NULL AND (",
            $wanted,
            " IS NULL OR project = ",
            $wanted,
            ")) "
        )
    };
}

/// The users whom a visitor was identified as: `?1` the visitor, `?2` the project or null. Column `id`.
pub const USERS_OF: &str = concat!(
    projects!("identities", "?2"),
    "SELECT DISTINCT i.user_id AS id FROM named n CROSS JOIN identities i ON i.project = n.project AND i.anonymous_id = ?1 ORDER BY id"
);

/// The visitors who were identified as a user: as [`USERS_OF`], the other way round.
pub const VISITORS_OF: &str = concat!(
    projects!("identities", "?2"),
    "SELECT DISTINCT i.anonymous_id AS id FROM named n CROSS JOIN identities i ON i.project = n.project AND i.user_id = ?1 ORDER BY id"
);

/// The exposures of a person: every iteration is asked by its index of visitors.
macro_rules! exposures_of {
    ($rest:literal) => {
        concat!(exposures_of!(), $rest)
    };
    () => {
        "WITH RECURSIVE iterations (at) AS (\
SELECT (SELECT json_array(project, experiment_id, iteration) FROM exposures ORDER BY project, experiment_id, iteration LIMIT 1) \
UNION ALL SELECT (SELECT json_array(e.project, e.experiment_id, e.iteration) FROM exposures e \
WHERE (e.project, e.experiment_id, e.iteration) > (i.at ->> 0, i.at ->> 1, i.at ->> 2) \
ORDER BY e.project, e.experiment_id, e.iteration LIMIT 1) FROM iterations i WHERE i.at IS NOT NULL), \
theirs (id) AS MATERIALIZED (\
SELECT e.id FROM iterations i CROSS JOIN json_each(?1) p CROSS JOIN exposures e ON e.project = i.at ->> 0 AND e.experiment_id = i.at ->> 1 \
AND e.iteration = i.at ->> 2 AND e.anonymous_id = p.value WHERE i.at IS NOT NULL AND (?3 IS NULL OR e.project = ?3) \
UNION SELECT e.id FROM json_each(?1) p CROSS JOIN exposures e ON e.user_id = p.value WHERE ?3 IS NULL OR e.project = ?3) "
    };
}

/// The outcomes of a person. `?2` are orders, whose refunds name nobody.
macro_rules! outcomes_of {
    ($rest:literal) => {
        concat!(
            projects!("conversions", "?3"),
            ", theirs (id) AS MATERIALIZED (\
SELECT c.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN conversions c ON c.project = n.project AND c.anonymous_id = p.value \
UNION SELECT c.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN conversions c ON c.project = n.project AND c.user_id = p.value \
UNION SELECT c.id FROM named n CROSS JOIN json_each(?2) o CROSS JOIN conversions c ON c.project = n.project AND c.refund_of = o.value) ",
            $rest
        )
    };
}

/// The identities of a person.
macro_rules! identities_of {
    ($rest:literal) => {
        concat!(
            projects!("identities", "?3"),
            ", theirs (project, anonymous_id, user_id) AS MATERIALIZED (\
SELECT i.project, i.anonymous_id, i.user_id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN identities i ON i.project = n.project \
AND i.anonymous_id = p.value UNION SELECT i.project, i.anonymous_id, i.user_id FROM named n CROSS JOIN json_each(?1) p \
CROSS JOIN identities i ON i.project = n.project AND i.user_id = p.value) ",
            $rest
        )
    };
}

/// The orders of a person, whose refunds name nobody: parameters as [`Person::parameters`]. Column `id`.
pub const ORDERS_OF: &str = outcomes_of!(
    "SELECT DISTINCT transaction_id AS id FROM conversions WHERE id IN (SELECT id FROM theirs) AND transaction_id IS NOT NULL"
);

/// What the record holds of a person: the table, the statement that counts it (column `n`), and the one that deletes it,
/// in the order in which they are run, each with [`Person::parameters`]. Each goes by an index, so that it takes as long
/// as the person has rows, not the record.
pub const FORGET: [(&str, &str, &str); 4] = [
    (
        "exposure_variants",
        exposures_of!("SELECT count(*) AS n FROM exposure_variants WHERE exposure_id IN (SELECT id FROM theirs)"),
        exposures_of!("DELETE FROM exposure_variants WHERE exposure_id IN (SELECT id FROM theirs)"),
    ),
    (
        "exposures",
        exposures_of!("SELECT count(*) AS n FROM theirs"),
        exposures_of!("DELETE FROM exposures WHERE id IN (SELECT id FROM theirs)"),
    ),
    (
        "conversions",
        outcomes_of!("SELECT count(*) AS n FROM theirs"),
        outcomes_of!("DELETE FROM conversions WHERE id IN (SELECT id FROM theirs)"),
    ),
    (
        "identities",
        identities_of!("SELECT count(*) AS n FROM theirs"),
        identities_of!(
            "DELETE FROM identities WHERE (project, anonymous_id, user_id) IN (SELECT project, anonymous_id, user_id FROM theirs)"
        ),
    ),
];

/// The projects that have an iteration on record: `?1` experiment, `?2` iteration, `?3` the project or null.
pub const PROJECTS_OF: &str = "SELECT project FROM exposures WHERE experiment_id = ?1 AND iteration = ?2 \
AND (?3 IS NULL OR project = ?3) UNION SELECT project FROM origin_health WHERE experiment_id = ?1 AND iteration = ?2 \
AND (?3 IS NULL OR project = ?3)";

/// The rows of an iteration, a few thousand at a time: the table and its statement, with `?1` project, `?2` experiment, `?3`
/// iteration and `?4` the `place` of the last row so far, or nothing. The place is where an index goes on, so that the
/// last page takes as long as the first.
pub const EXPORT: [(&str, &str); 3] = [
    (
        "exposures",
        "SELECT *, exposed_at || ' ' || id AS place FROM exposures WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 \
AND (exposed_at, id) > (substr(?4, 1, 24), substr(?4, 26)) ORDER BY exposed_at, id LIMIT 2000",
    ),
    (
        "exposure_variants",
        "SELECT v.*, e.exposed_at || ' ' || e.id || ' ' || v.variant AS place FROM exposures e CROSS JOIN exposure_variants v \
ON v.exposure_id = e.id WHERE e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3 \
AND (e.exposed_at, e.id) >= (substr(?4, 1, 24), substr(?4, 26, 32)) \
AND (e.exposed_at, e.id, v.variant) > (substr(?4, 1, 24), substr(?4, 26, 32), substr(?4, 59)) \
ORDER BY e.exposed_at, e.id, v.variant LIMIT 2000",
    ),
    (
        "origin_health",
        "SELECT *, variant || ' ' || hour || ' ' || source AS place FROM origin_health WHERE project = ?1 AND experiment_id = ?2 \
AND iteration = ?3 AND (?4 = '' OR (variant, hour, source) > (substr(?4, 1, instr(?4, ' ') - 1), \
substr(?4, instr(?4, ' ') + 1, 13), substr(?4, instr(?4, ' ') + 15))) ORDER BY variant, hour, source LIMIT 2000",
    ),
];

/// Deletes a few thousand rows of an iteration: in one transaction, until nothing changes. `?1` project, `?2` experiment,
/// `?3` iteration.
pub const DROP: [&str; 3] = [
    "DELETE FROM exposure_variants WHERE exposure_id IN (SELECT id FROM exposures WHERE project = ?1 AND experiment_id = ?2 \
AND iteration = ?3 ORDER BY exposed_at, id LIMIT 2000)",
    "DELETE FROM exposures WHERE id IN (SELECT id FROM exposures WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 \
ORDER BY exposed_at, id LIMIT 2000)",
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
