//! What questions share, made once: tables that an engine which the tool runs itself fills before it is asked, instead of
//! common tables that every statement makes anew. The rules are those of the steps; rows that nothing can be wrong with are
//! spared them: whose id and whose unit no other row has. (Most are; what is left goes through the very steps.)
//!
//! - `owners`, `settled`, `refunds`, `spans` as the steps of these names; of `settled` the `id` is a hash
//! - `seen` the exposures as they were told, with their units, and hashes to count them by
//! - `people` with `unit_no`, a number for the unit, and `combo`, which stands for the parts that it is counted in
//! - `combos` the parts
//! - `all_hits` the outcomes of an experiment's units, of all its metrics' events
//!
//! Hashes stand for texts where no two of those that are there have the same; where two had, the table is refused.

use super::words::Words;
use super::{EXPOSED, Extent, HITS, Iteration, OUTCOMES, OWNERS, PEOPLE, Place, REFUNDS, SETTLED, SPANS, TOLD};
use crate::metrics::Definition;

/// Something that is made before questions are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The query that fills it.
    pub sql: String,
    /// Whether it is kept; what is read a few times is read anew in less time than it takes to keep it.
    pub is_kept: bool,
}

fn kept(name: &'static str, sql: String) -> Table {
    Table { name, sql, is_kept: true }
}

fn view(name: &'static str, sql: String) -> Table {
    Table { name, sql, is_kept: false }
}

/// The outcomes of an iteration's units, for the questions by these definitions.
#[must_use]
pub fn hits(of: Iteration<'_>, definitions: &[Definition], place: Place<'_>) -> Table {
    let words = Words::new(of, None, Extent::Days, place).measured_by(definitions);
    kept("all_hits", words.question(&[OUTCOMES, HITS, " SELECT * FROM hits"]).sql)
}

/// The tables for questions about iterations, in the order in which they are made. They are for [`Place::tables`], and written
/// for DuckDB.
#[must_use]
pub fn tables(iterations: &[Iteration<'_>], place: Place<'_>) -> Vec<Table> {
    let Some((of, others)) = iterations.split_first() else { return Vec::new() };
    let words = Words::new(*of, None, Extent::Days, place).among(others);
    let query = |steps: &[&str]| words.question(steps).sql;
    vec![
        kept("owners", query(&[TOLD, OWNERS, " SELECT * FROM owners"])),
        view("reported", query(&[TOLD, REPORTED])),
        kept("reported_twice", "SELECT id_hash FROM reported GROUP BY id_hash HAVING count(*) > 1".to_owned()),
        view("settled", query(&[REPORTED_ODD, SETTLED, SETTLED_ALL])),
        kept("settled_sound", ONE_HASH_AN_ID.to_owned()),
        kept("refunds", query(&[REFUNDS, " SELECT * FROM refunds"])),
        view("exposures", query(&[TOLD, " SELECT * FROM told WHERE type = 'experiment_exposed'"])),
        kept("spans", query(&[IN_SESSIONS, EXPOSED, SPANS, " SELECT * FROM spans"])),
        view("seen", query(&[TOLD, SEEN])),
        kept("seen_ids", "SELECT id_hash FROM seen GROUP BY id_hash HAVING count(*) > 1".to_owned()),
        kept("seen_units", "SELECT unit_no FROM seen GROUP BY unit_no HAVING count(*) > 1".to_owned()),
        kept("people", query(&[SEEN_ODD, EXPOSED, PEOPLE, PEOPLE_ALL])),
        kept("people_sound", ONE_HASH_A_UNIT.to_owned()),
        kept("combos", COMBOS.to_owned()),
    ]
}

const REPORTED: &str =
    " SELECT id, name, ms, value, currency, transaction_id, refund_of, properties, visitor, user_id, session_id,
experiment_id, variant, from_page, hash(id) AS id_hash FROM told WHERE type = 'experiment_converted'";

const REPORTED_ODD: &str = ", told AS (
SELECT 'experiment_converted' AS type, * FROM reported WHERE id_hash IN (SELECT id_hash FROM reported_twice))";

const SETTLED_ALL: &str = " SELECT id_hash AS id, name, ms, value, currency, transaction_id, refund_of, properties, visitor, user_id, session_id,
experiment_id, variant FROM settled
UNION ALL SELECT id_hash, name, ms, value, currency, transaction_id, refund_of, properties, visitor, user_id, session_id, experiment_id, variant
FROM reported WHERE id_hash NOT IN (SELECT id_hash FROM reported_twice) AND ms <= $now()";

// why: two ids with one hash are among those that seem to be told twice
const ONE_HASH_AN_ID: &str = "SELECT CASE WHEN count(DISTINCT id) > count(DISTINCT id_hash) THEN error('two outcomes have one hash') END AS sound
FROM reported WHERE id_hash IN (SELECT id_hash FROM reported_twice)";

// why: only ids that some session tells of can make one longer
const IN_SESSIONS: &str =
    ", told AS (SELECT * FROM exposures WHERE id IN (SELECT id FROM exposures WHERE session_id IS NOT NULL))";

const SEEN: &str = " SELECT *, hash(experiment_id, iteration, id) AS id_hash, hash(experiment_id, iteration, unit) AS unit_no,
hash(variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions) AS combo FROM (
SELECT *, CASE kind WHEN 'session' THEN 's ' || session_id ELSE person END AS unit, $idiv(ms, 86400000) AS day FROM (
SELECT t.experiment_id, t.iteration, t.id, t.variant, t.ms, t.visitor AS visitor, t.user_id, t.kind, t.session_id, t.config_revision,
coalesce('u ' || t.user_id, 'u ' || o.owner, 'v ' || t.visitor) AS person,
t.device, t.country, t.region, t.browser, t.referrer_host, t.visitor_type, t.logged_in, t.fallback, t.versions
FROM told t LEFT JOIN owners o ON o.visitor = t.visitor WHERE t.type = 'experiment_exposed' AND t.ms <= $now() AND $chosen(t)) p) s";

const SEEN_ODD: &str = ", told AS (SELECT 'experiment_exposed' AS type, * FROM seen
WHERE id_hash IN (SELECT id_hash FROM seen_ids) OR unit_no IN (SELECT unit_no FROM seen_units))";

const PEOPLE_ALL: &str =
    " SELECT experiment_id, iteration, unit, kind, session_id, person, variant, ms, day, crossed, combo,
hash(experiment_id, iteration, unit) AS unit_no FROM people
UNION ALL SELECT experiment_id, iteration, unit, kind, session_id, person, variant, ms, day, 0, combo, unit_no FROM seen
WHERE NOT (id_hash IN (SELECT id_hash FROM seen_ids) OR unit_no IN (SELECT unit_no FROM seen_units))";

const ONE_HASH_A_UNIT: &str =
    "SELECT CASE WHEN count(*) > count(DISTINCT unit_no) THEN error('two units have one hash') END AS sound
FROM people WHERE unit_no IN (SELECT unit_no FROM seen_units)";

const COMBOS: &str = "SELECT *, CASE WHEN count(*) OVER (PARTITION BY combo) > 1 THEN error('two parts of the audience have one hash') END AS sound
FROM (SELECT DISTINCT combo, variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions FROM seen) d";
