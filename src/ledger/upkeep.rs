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

/// The exposures of a person: every iteration is asked by its key, and by its index of those that are not visitors'. Of
/// visitors with a user every pair is in the identities.
const EXPOSURES_OF: &str = "WITH named (number, project) AS MATERIALIZED (SELECT number, project FROM iterations \
WHERE ?3 IS NULL OR project = ?3), \
theirs (iteration_no, kind, unit, id) AS MATERIALIZED (\
SELECT e.iteration_no, e.kind, e.unit, e.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN exposed e ON e.iteration_no = n.number \
AND e.kind = 0 AND e.unit = $packed(p.value) \
UNION SELECT e.iteration_no, e.kind, e.unit, e.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN exposed e ON e.iteration_no = n.number \
AND e.kind = 1 AND e.unit = $packed(p.value) \
UNION SELECT e.iteration_no, e.kind, e.unit, e.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN exposed e ON e.iteration_no = n.number \
AND e.kind > 0 AND coalesce(e.visitor, e.user_id) = $packed(p.value) \
UNION SELECT e.iteration_no, e.kind, e.unit, e.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN identities i ON i.project = n.project \
AND i.user_id = p.value CROSS JOIN exposed e ON e.iteration_no = n.number AND e.kind = 0 AND e.unit = $packed(i.anonymous_id) \
WHERE e.user_id = $packed(p.value) \
UNION SELECT e.iteration_no, e.kind, e.unit, e.id FROM named n CROSS JOIN json_each(?1) p CROSS JOIN identities i ON i.project = n.project \
AND i.user_id = p.value CROSS JOIN exposed e ON e.iteration_no = n.number AND e.kind > 0 \
AND coalesce(e.visitor, e.user_id) = $packed(i.anonymous_id) WHERE e.user_id = $packed(p.value)) ";

/// What visitors were exposed to in an iteration: `?1` project, `?2` experiment, `?3` iteration, `?4` the visitors as a JSON
/// list. Columns `visitor`, `user`, `variant`, a row a variant that they met.
#[must_use]
pub fn exposures_of_visitors() -> String {
    let exposed = |kinds: &str, id: &str| {
        format!(
            "SELECT e.* FROM iterations n CROSS JOIN json_each(?4) p CROSS JOIN exposed e ON e.iteration_no = n.number \
AND e.kind {kinds} AND {id} = $packed(p.value) WHERE n.project = ?1 AND n.experiment_id = ?2 AND n.iteration = ?3"
        )
    };
    let text = format!(
        "WITH theirs AS MATERIALIZED ({} UNION {}), \
met AS (SELECT t.*, t.variant_no AS met_no FROM theirs t UNION ALL SELECT t.*, w.variant_no FROM theirs t CROSS JOIN second_variants w \
ON w.iteration_no = t.iteration_no AND w.kind = t.kind AND w.unit = t.unit AND w.id = t.id AND w.variant_no <> t.variant_no) \
SELECT CASE kind WHEN 0 THEN $unpacked(unit) ELSE $unpacked(visitor) END AS visitor, \
CASE kind WHEN 1 THEN $unpacked(unit) ELSE $unpacked(user_id) END AS user, v.id AS variant \
FROM met CROSS JOIN variants v ON v.number = met_no",
        exposed("= 0", "e.unit"),
        exposed("> 0", "coalesce(e.visitor, e.user_id)"),
    );
    super::steps::sql(&text, "")
}

/// The exposures of a person that the small record has not taken along yet.
const BEFORE_OF: &str = "FROM exposures_before WHERE (anonymous_id IN (SELECT value FROM json_each(?1)) \
OR user_id IN (SELECT value FROM json_each(?1))) AND (?3 IS NULL OR project = ?3)";

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

/// The sessions of a person: parameters as [`Person::parameters`]. Column `id`.
#[must_use]
pub fn sessions_of() -> String {
    let exposed = format!("{EXPOSURES_OF}SELECT DISTINCT $unpacked(unit) AS id FROM theirs WHERE kind = 2");
    let converted = outcomes_of!(
        "SELECT DISTINCT session_id AS id FROM conversions WHERE id IN (SELECT id FROM theirs) AND session_id IS NOT NULL"
    );
    super::steps::sql(&format!("SELECT id FROM ({exposed}) UNION SELECT id FROM ({converted})"), "")
}

/// Forgets where names live: `?1` as [`Person::homes`]. Of each database.
pub const AWAY: [&str; 2] = [
    concat!(
        projects!("homes", "(?1 ->> 'project')"),
        "DELETE FROM homes WHERE (project, name) IN (SELECT n.project, k.value FROM named n CROSS JOIN json_each(?1, '$.names') k)"
    ),
    concat!(
        projects!("moves", "(?1 ->> 'project')"),
        "DELETE FROM moves WHERE (project, name) IN (SELECT n.project, k.value FROM named n CROSS JOIN json_each(?1, '$.names') k)"
    ),
];

/// What the record holds of a person: the table, the statement that counts it (column `n`), and those that delete it,
/// in the order in which they are run, each with [`Person::parameters`]. Each goes by an index, so that it takes as long
/// as the person has rows, not the record.
#[must_use]
pub fn forget() -> [(&'static str, String, Vec<String>); 3] {
    let exposures = |rest: &str| super::steps::sql(&[EXPOSURES_OF, rest].concat(), "");
    [
        (
            "exposures",
            exposures(&format!("SELECT (SELECT count(*) FROM theirs) + (SELECT count(*) {BEFORE_OF}) AS n")),
            vec![
                format!("DELETE FROM exposure_variants_before WHERE exposure_id IN (SELECT id {BEFORE_OF})"),
                format!("DELETE {BEFORE_OF}"),
                exposures(
                    "DELETE FROM exposed WHERE (iteration_no, kind, unit, id) IN (SELECT iteration_no, kind, unit, id FROM theirs)",
                ),
            ],
        ),
        (
            "conversions",
            outcomes_of!("SELECT count(*) AS n FROM theirs").to_owned(),
            vec![outcomes_of!("DELETE FROM conversions WHERE id IN (SELECT id FROM theirs)").to_owned()],
        ),
        (
            "identities",
            identities_of!("SELECT count(*) AS n FROM theirs").to_owned(),
            vec![
                identities_of!(
                    "DELETE FROM identities WHERE (project, anonymous_id, user_id) IN (SELECT project, anonymous_id, user_id FROM theirs)"
                )
                .to_owned(),
            ],
        ),
    ]
}

/// The projects that have an iteration on record: `?1` experiment, `?2` iteration, `?3` the project or null.
pub const PROJECTS_OF: &str = "SELECT project FROM iterations i WHERE experiment_id = ?1 AND iteration = ?2 \
AND (?3 IS NULL OR project = ?3) AND EXISTS (SELECT 1 FROM exposed e WHERE e.iteration_no = i.number) \
UNION SELECT project FROM origin_health WHERE experiment_id = ?1 AND iteration = ?2 AND (?3 IS NULL OR project = ?3)";

/// The number of an iteration.
macro_rules! number {
    () => {
        "(SELECT number FROM iterations WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3)"
    };
}

/// Whether some of an iteration lies in the tables of before: `?1` project, `?2` experiment, `?3` iteration. Column `n`.
pub const IS_MOVING: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM exposures_before WHERE project = ?1 \
AND experiment_id = ?2 AND iteration = ?3 LIMIT 1)";

/// Whether rows of a database are still being carried to another: those that wait for longer than a minute, or have not been
/// looked through. Column `n`.
pub const IS_DIVIDING: &str = "SELECT (SELECT count(*) FROM moves WHERE since < unixepoch() * 1000 - 60000) \
+ (SELECT count(*) FROM placement WHERE scan IS NOT NULL) AS n";

/// The rows of an iteration, a few thousand at a time: the table and its statement, with `?1` project, `?2` experiment, `?3`
/// iteration and `?4` the `place` of the last row so far, or nothing. The place is where an index goes on, so that the
/// last page takes as long as the first.
pub const EXPORT: [(&str, &str); 3] = [
    (
        "exposures",
        concat!(
            "SELECT *, at || ' ' || id AS place FROM exposures WHERE iteration_no = ",
            number!(),
            " AND at >= CAST(?4 AS INTEGER) AND (at > CAST(?4 AS INTEGER) OR id > substr(?4, instr(?4, ' ') + 1)) \
ORDER BY at, id LIMIT 2000"
        ),
    ),
    (
        "second_variants",
        concat!(
            "SELECT lower(hex(w.id)) AS exposure_id, v.id AS variant, w.first_at AS first_at_ms, \
w.kind || ' ' || typeof(w.unit) || ' ' || hex(w.unit) || ' ' || hex(w.id) || ' ' || w.variant_no AS place \
FROM second_variants w JOIN variants v ON v.number = w.variant_no WHERE w.iteration_no = ",
            number!(),
            " AND w.kind || ' ' || typeof(w.unit) || ' ' || hex(w.unit) || ' ' || hex(w.id) || ' ' || w.variant_no > ?4 \
ORDER BY place LIMIT 2000"
        ),
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
pub const DROP: [&str; 4] = [
    // why: first, or each row that goes would write to it
    concat!("DELETE FROM exposed_counts WHERE iteration_no = ", number!()),
    concat!("DELETE FROM doubled WHERE iteration_no = ", number!()),
    concat!(
        "DELETE FROM exposed WHERE (iteration_no, kind, unit, id) IN (SELECT iteration_no, kind, unit, id FROM exposed \
WHERE iteration_no = ",
        number!(),
        " LIMIT 2000)"
    ),
    "DELETE FROM origin_health WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3",
];

/// Somebody who wants to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Their visitor ids and user ids.
    pub ids: BTreeSet<String>,
    /// The `transaction_id` of their orders: refunds name nothing else.
    pub orders: BTreeSet<String>,
    /// Their sessions.
    pub sessions: BTreeSet<String>,
    /// The project, where it matters.
    pub project: Option<String>,
}

impl Person {
    /// The parameters of the statements: ids, orders, project.
    #[must_use]
    pub fn parameters(&self) -> Value {
        json!([json!(self.ids).to_string(), json!(self.orders).to_string(), self.project])
    }

    /// The names that a record in several databases knows them by, as the parameter of [`AWAY`].
    #[must_use]
    pub fn homes(&self) -> Value {
        let of = |kinds: &'static [&'static str], ids: &BTreeSet<String>| -> Vec<String> {
            ids.iter().flat_map(|id| kinds.iter().map(move |kind| format!("{kind}{id}"))).collect()
        };
        let names = [of(&["v", "u"], &self.ids), of(&["t"], &self.orders), of(&["s"], &self.sessions)].concat();
        json!(json!({"names": names, "project": self.project}).to_string())
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
