//! What is asked and written where there are several databases: the directory, the fences, and how rows are carried from one
//! database to another.
//!
//! Every write to a database tells it what the writer knows of the names (a version each), and is refused as a whole where
//! the database knows more: somebody has carried, or is about to carry, these names away. Whoever carries tells the source
//! first, then reads there, writes at the home, deletes at the source, and strikes the move off last; so each step may be
//! repeated after a crash, and what is written between two steps is either carried or refused.
//!
//! `?1` are names as [`super::homes::Directory::told`] writes them, unless said otherwise.

use super::homes::Changes;
use super::question::Question;
use super::steps::{self, sql};
use super::{CONVERSIONS, IDENTITIES, Statement};
use serde_json::{Value, json};

/// How many rows of a table are carried at once.
pub const STEP: u32 = 500;

fn question(sql: impl Into<String>, values: Vec<Value>) -> Question {
    Question { sql: sql.into(), values }
}

/// What the directory says of names (`?1`: `[[project, name], …]`), one JSON text a row: entries, then the moves that are
/// not done yet (project, name, source), then over how many databases the record is spread.
pub const LOOKUP: [&str; 3] = [
    "SELECT json_array(h.project, h.name, h.root, h.home, h.version) AS r FROM json_each(?1) k CROSS JOIN homes h \
ON h.project = k.value ->> 0 AND h.name = k.value ->> 1 WHERE h.root IS NOT NULL",
    "SELECT json_array(m.project, m.name, m.source) AS r FROM json_each(?1) k CROSS JOIN moves m \
ON m.project = k.value ->> 0 AND m.name = k.value ->> 1",
    "SELECT json_array(databases) AS r FROM placement WHERE ?1 IS NOT NULL",
];

/// How many names roots have (`?1`: a list of roots), at most a thousand and one: `[root, number]`.
pub const SIZES: &str = "SELECT json_array(r.value, (SELECT count(*) FROM (SELECT 1 FROM homes WHERE root = r.value LIMIT 1001))) AS r \
FROM json_each(?1) r";

/// The moves that are not done yet, the oldest first, as in [`LOOKUP`].
pub const MOVES: &str = "SELECT json_array(project, name, source) AS r FROM moves ORDER BY since LIMIT 500";

/// The same of names with one of the roots (`?1`: a list) and the home that they have now.
pub const MOVES_OF: &str = "SELECT json_array(m.project, m.name, m.source) AS r FROM moves m CROSS JOIN homes h ON h.project = m.project \
AND h.name = m.name WHERE h.root IN (SELECT value FROM json_each(?1)) LIMIT 500";

/// Ends a transaction, unless this is the database that the writer means, of as many as they know.
const IS_PLACED: &str = "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM placement WHERE databases = ?1 AND number = ?2) \
THEN json('it is another database') END";

/// Ends a transaction on a database that is one of several, for whoever knows of it alone.
const IS_ALONE: &str =
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM placement WHERE databases > 1) THEN json('it is one of several') END";

/// What a transaction begins with where there is one database.
#[must_use]
pub fn alone() -> Question {
    question(IS_ALONE, Vec::new())
}

/// Ends a transaction where this database knows more of a name than the writer does.
const IS_CURRENT: &str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM json_each(?1) k CROSS JOIN homes h \
ON h.project = k.value ->> 0 AND h.name = k.value ->> 1 WHERE h.version > (k.value ->> 2)) THEN json('it moved') END";

/// Tells a database what the writer knows of names; the directory knows it.
const TELL: &str = "INSERT INTO homes (project, name, home, version) SELECT value ->> 0, value ->> 1, value ->> 3, value ->> 2 \
FROM json_each(?1) WHERE value ->> 2 > 0 ON CONFLICT DO UPDATE SET home = excluded.home, version = excluded.version \
WHERE excluded.version > homes.version";

/// What every transaction on one of several databases begins with.
#[must_use]
pub fn fence(told: &str, databases: u8, number: u8) -> Vec<Question> {
    let mut fence =
        vec![question(IS_PLACED, vec![json!(databases), json!(number)]), question(IS_CURRENT, vec![json!(told)])];
    if number > 0 {
        fence.push(question(TELL, vec![json!(told)]));
    }
    fence
}

/// The transaction that joins names in the directory. Fails where what was read is not so any more.
#[must_use]
pub fn join(changes: &Changes, databases: u8, now: i64) -> Vec<Question> {
    let rows = |rows: &[Value]| json!(Value::Array(rows.to_vec()).to_string());
    vec![
        question(IS_PLACED, vec![json!(databases), json!(0)]),
        question(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM json_each(?1) k LEFT JOIN homes h ON h.project = k.value ->> 0 \
AND h.name = k.value ->> 1 WHERE coalesce(h.root, '') <> k.value ->> 2 OR coalesce(h.version, 0) <> k.value ->> 3) \
THEN json('it moved') END",
            vec![rows(&changes.read)],
        ),
        question(
            "INSERT INTO moves (project, name, source, since) SELECT h.project, h.name, h.home, ?2 FROM json_each(?1) m \
CROSS JOIN homes h ON h.root = m.value ->> 0 WHERE h.home <> m.value ->> 2 ON CONFLICT DO NOTHING",
            vec![rows(&changes.moved), json!(now)],
        ),
        question(
            "INSERT INTO moves (project, name, source, since) SELECT value ->> 0, value ->> 1, value ->> 2, ?2 FROM json_each(?1) \
WHERE true ON CONFLICT DO NOTHING",
            vec![rows(&changes.moves), json!(now)],
        ),
        question(
            // why: `root` alone is also a column of json_each
            "UPDATE homes SET root = m.value ->> 1, version = version + (home <> m.value ->> 2), home = m.value ->> 2 \
FROM json_each(?1) m WHERE homes.root = m.value ->> 0",
            vec![rows(&changes.moved)],
        ),
        question(
            "INSERT INTO homes (project, name, root, home, version) SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 1 \
FROM json_each(?1)",
            vec![rows(&changes.fresh)],
        ),
    ]
}

/// Strikes moves off: `?1` as in [`LOOKUP`].
pub const MOVED: &str = "DELETE FROM moves WHERE (project, name, source) IN \
(SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))";

/// The exposures of names, as the consumer's rows, with what else their units met.
const EXPOSED: &str = "SELECT json_array(k.value ->> 0, k.value ->> 1, json_array(CASE typeof(e.id) WHEN 'blob' THEN lower(hex(e.id)) \
ELSE e.id END, i.project, i.experiment_id, i.iteration, v.id, CASE e.kind WHEN 0 THEN 'visitor' WHEN 1 THEN 'user' ELSE 'session' END, \
$unpacked(e.unit), CASE e.kind WHEN 0 THEN $unpacked(e.unit) ELSE $unpacked(e.visitor) END, \
CASE e.kind WHEN 1 THEN $unpacked(e.unit) ELSE $unpacked(e.user_id) END, \
CASE e.reason WHEN 0 THEN 'split' WHEN 1 THEN 'sticky' WHEN 2 THEN 'reported' ELSE '' END, $written(e.at), r.id, \
nullif(s.country, ''), nullif(s.device, ''), nullif(s.browser, ''), nullif(s.visitor_type, ''), nullif(s.region, ''), \
nullif(s.referrer_host, ''), nullif(s.logged_in, ''), nullif(s.fallback, ''), nullif(s.versions, '{}')), \
(SELECT json_group_array(json_array(o.id, $written(w.first_at))) FROM second_variants w CROSS JOIN variants o ON o.number = w.variant_no \
WHERE w.iteration_no = e.iteration_no AND w.kind = e.kind AND w.unit = e.unit AND w.id = e.id)) AS r \
FROM json_each(?1) k CROSS JOIN iterations i ON i.project = k.value ->> 0 AND i.expired = 0 CROSS JOIN exposed e \
ON e.iteration_no = i.number AND e.kind = instr('vus', substr(k.value ->> 1, 1, 1)) - 1 AND e.unit = $packed(substr(k.value ->> 1, 2)) \
CROSS JOIN variants v ON v.number = e.variant_no CROSS JOIN segments s ON s.number = e.segment_no \
CROSS JOIN revisions r ON r.number = e.revision_no LIMIT ?2";

/// The outcomes of names, likewise.
const CONVERTED: &str = "SELECT json_array(project, name, json_array(id, project, conversion_event, value_minor, currency, \
transaction_id, refund_of, anonymous_id, user_id, experiment_id, variant, converted_at, channel, config_revision, properties, session_id)) AS r FROM (\
SELECT k.value ->> 1 AS name, c.* FROM json_each(?1) k CROSS JOIN conversions c ON c.project = k.value ->> 0 \
AND c.anonymous_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 'v%' \
UNION ALL SELECT k.value ->> 1, c.* FROM json_each(?1) k CROSS JOIN conversions c ON c.project = k.value ->> 0 \
AND c.user_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 'u%' \
UNION ALL SELECT k.value ->> 1, c.* FROM json_each(?1) k CROSS JOIN conversions c ON c.project = k.value ->> 0 \
AND c.session_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 's%' \
UNION ALL SELECT k.value ->> 1, c.* FROM json_each(?1) k CROSS JOIN conversions c ON c.project = k.value ->> 0 \
AND c.transaction_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 't%' \
UNION ALL SELECT k.value ->> 1, c.* FROM json_each(?1) k CROSS JOIN conversions c ON c.project = k.value ->> 0 \
AND c.refund_of = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 't%') LIMIT ?2";

/// Who is who, likewise.
const IDENTIFIED: &str = "SELECT json_array(project, name, json_array(project, anonymous_id, user_id, identified_at)) AS r FROM (\
SELECT k.value ->> 1 AS name, i.* FROM json_each(?1) k CROSS JOIN identities i ON i.project = k.value ->> 0 \
AND i.anonymous_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 'v%' \
UNION ALL SELECT k.value ->> 1, i.* FROM json_each(?1) k CROSS JOIN identities i ON i.project = k.value ->> 0 \
AND i.user_id = substr(k.value ->> 1, 2) WHERE k.value ->> 1 LIKE 'u%') LIMIT ?2";

/// The rows of names in a database, at most [`STEP`] of a table. Each answer's rows are `[project, name, row, …]`.
#[must_use]
pub fn taken(told: &str) -> [Question; 3] {
    [sql(EXPOSED, ""), CONVERTED.to_owned(), IDENTIFIED.to_owned()]
        .map(|sql| question(sql, vec![json!(told), json!(STEP)]))
}

/// An exposure's row, and what else its unit met: variants, each with its time.
type Exposed = (Vec<Value>, Vec<(String, String)>);

/// Rows that are carried, as [`taken`] tells them.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Exposures.
    pub exposed: Vec<Exposed>,
    /// Outcomes.
    pub converted: Vec<Value>,
    /// Who is who.
    pub identified: Vec<Value>,
}

impl Carried {
    /// Whether there is nothing to carry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exposed.is_empty() && self.converted.is_empty() && self.identified.is_empty()
    }

    /// The statements that write the rows, as the consumer does.
    #[must_use]
    pub fn written(&self) -> Vec<Statement> {
        let mut names = super::rows::Names::default();
        let (mut exposures, mut variants) = (Vec::new(), Vec::new());
        let mut also = Vec::new();
        for (row, others) in &self.exposed {
            names.add(row);
            variants.push(super::rows::met(row));
            for (variant, first_at) in others {
                also.push(json!([variant]));
                let mut other = row.clone();
                if let [_, _, _, _, of, _, _, _, _, _, at, ..] = other.as_mut_slice() {
                    (*of, *at) = (json!(variant), json!(first_at));
                }
                variants.push(super::rows::met(&other));
            }
            exposures.push(Value::Array(row.clone()));
        }
        let [iterations, mut ids, revisions, segments] = names.rows();
        ids.extend(also);
        super::written(vec![
            (steps::ITERATIONS, iterations),
            (steps::VARIANTS, ids),
            (steps::REVISIONS, revisions),
            (steps::SEGMENTS, segments),
            (steps::EXPOSED, exposures),
            (steps::SECOND_VARIANTS, variants),
            (CONVERSIONS, self.converted.clone()),
            (IDENTITIES, self.identified.clone()),
        ])
    }

    /// The statements that delete the rows where they were.
    #[must_use]
    pub fn deleted(&self) -> Vec<Statement> {
        let exposed: Vec<Value> = self.exposed.iter().map(|(row, _)| Value::Array(row.clone())).collect();
        let exposures = "DELETE FROM exposed WHERE (iteration_no, kind, unit, id) IN (SELECT i.number, $kind(e.value ->> 5), \
$packed(e.value ->> 6), $digits(e.value ->> 0) FROM json_each(?1) e CROSS JOIN iterations i ON i.project = e.value ->> 1 \
AND i.experiment_id = e.value ->> 2 AND i.iteration = e.value ->> 3)";
        super::written(vec![
            (exposures, exposed),
            ("DELETE FROM conversions WHERE id IN (SELECT value ->> 0 FROM json_each(?1))", self.converted.clone()),
            (
                "DELETE FROM identities WHERE (project, anonymous_id, user_id) IN \
(SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))",
                self.identified.clone(),
            ),
        ])
    }
}

/// Takes a database in as one of so many: what lies there already is to be looked through. Twice is as good as once.
#[must_use]
pub fn placed(databases: u8, number: u8) -> Question {
    question(
        "UPDATE placement SET databases = ?1, number = ?2, scan = CASE WHEN EXISTS (SELECT 1 FROM exposed) \
OR EXISTS (SELECT 1 FROM conversions) OR EXISTS (SELECT 1 FROM identities) OR EXISTS (SELECT 1 FROM exposures_before) THEN '' END \
WHERE databases < ?1",
        vec![json!(databases), json!(number)],
    )
}

/// How many rows are looked through at once.
const PAGE: u32 = 1_000;

/// The tables that are looked through, one after the other.
const TABLES: usize = 3;

/// The next page of what lies in a database, behind a place (`TABLE PLACE`, at first empty). Rows are `[place, name, …]`,
/// each name as `[project, name]` or null; none: the table is over.
#[must_use]
pub fn page(scan: &str) -> Question {
    let (table, place) = scan.split_once(' ').unwrap_or((scan, ""));
    let exposed = "SELECT json_array(e.iteration_no || ' ' || e.kind || ' ' || typeof(e.unit) || ' ' || hex(e.unit) || ' ' || typeof(e.id) || ' ' \
|| hex(e.id), json_array(i.project, substr('vus', e.kind + 1, 1) || $unpacked(e.unit)), \
iif(e.kind > 0 AND e.visitor IS NOT NULL, json_array(i.project, 'v' || $unpacked(e.visitor)), NULL), \
iif(e.kind <> 1 AND e.user_id IS NOT NULL, json_array(i.project, 'u' || $unpacked(e.user_id)), NULL)) AS r \
FROM exposed e CROSS JOIN iterations i ON i.number = e.iteration_no \
WHERE (e.iteration_no, e.kind, e.unit, e.id) > (?1, ?2, iif(?3 = 'blob', unhex(?4), CAST(unhex(?4) AS TEXT)), \
iif(?5 = 'blob', unhex(?6), CAST(unhex(?6) AS TEXT))) ORDER BY e.iteration_no, e.kind, e.unit, e.id LIMIT ?7";
    match table {
        "conversions" => question(
            "SELECT json_array(id, iif(anonymous_id IS NULL, NULL, json_array(project, 'v' || anonymous_id)), \
iif(user_id IS NULL, NULL, json_array(project, 'u' || user_id)), iif(session_id IS NULL, NULL, json_array(project, 's' || session_id)), \
iif(transaction_id IS NULL, NULL, json_array(project, 't' || transaction_id)), \
iif(refund_of IS NULL, NULL, json_array(project, 't' || refund_of))) AS r FROM conversions WHERE id > ?1 ORDER BY id LIMIT ?2",
            vec![json!(place), json!(PAGE)],
        ),
        "exposed" => {
            let mut parts: Vec<Value> = place.split(' ').map(|part| json!(part)).collect();
            parts.resize(6, json!(""));
            if let [iteration, kind, ..] = parts.as_mut_slice() {
                for number in [iteration, kind] {
                    *number = json!(number.as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(-1));
                }
            }
            parts.push(json!(PAGE));
            question(sql(exposed, ""), parts)
        }
        _ => question(
            "SELECT json_array(json_array(project, anonymous_id, user_id), json_array(project, 'v' || anonymous_id), \
json_array(project, 'u' || user_id)) AS r FROM identities WHERE (project, anonymous_id, user_id) > \
(coalesce(?1 ->> 0, ''), coalesce(?1 ->> 1, ''), coalesce(?1 ->> 2, '')) ORDER BY project, anonymous_id, user_id LIMIT ?2",
            vec![json!(if place.is_empty() { "[]" } else { place }), json!(PAGE)],
        ),
    }
}

/// Where to go on: behind a row, or with the next table; `None`: the database has been looked through.
#[must_use]
pub fn next(scan: &str, last: Option<&str>) -> Option<String> {
    const ORDER: [&str; TABLES] = ["identities", "exposed", "conversions"];
    let table = scan.split_once(' ').map_or(scan, |(table, _)| table);
    let at = ORDER.iter().position(|one| *one == table).unwrap_or(0);
    match last {
        Some(place) => Some(format!("{} {place}", ORDER.get(at)?)),
        None => ORDER.get(at + 1).map(|table| (*table).to_owned()),
    }
}

/// Notes how far a database has been looked through: `?1` the new place, `?2` that of before.
pub const LOOKED: &str = "UPDATE placement SET scan = ?1 WHERE scan = ?2";
