//! What questions share, made once: tables that an engine which the tool runs itself fills before it is asked, instead of
//! common tables that every statement makes anew. They are for [`Place::tables`], and written for DuckDB alone; the rules are
//! those of the steps.
//!
//! - `owners`, `spans` as the steps of these names, `settled` with a hash for the `id`; `refunds` by what they are of
//! - `combos` the parts of the audience, with a number each; exposures point there
//! - `seen` the exposures as they were told, with their units
//! - `people`, `sessions` the units, all of them `everyone`; `cells_met` how many, by day and part
//! - `all_hits` the outcomes of an experiment's units, of all its metrics' events
//! - `by_age`, `by_unit` what they come to for every metric at once: a column each ([`measures`])
//!
//! A unit whose exposures nothing can be wrong with needs no rule but a minimum: they have one `id`, which no other unit has,
//! and however they are ordered the first one is of the same parts. (Most are so.) What is `odd` goes through the very steps,
//! with all units that share an `id` with it: so neither an `id` nor a unit stands on both sides.
//!
//! A unit's first exposure is the least of its times, each put before the number of its parts (`place` in keys.rs), which makes one
//! whole number of both; where the greatest number that has the time is another than the least, the unit is odd. Afterwards
//! `cell` stands for day and parts. Hashes stand for texts only where two texts with one hash do nothing but send a unit
//! through the steps, or are looked for; units are joined by their names.

mod measures;

use super::words::Words;
use super::{AGED, CONTRIBUTIONS, EXPOSED, METRIC, OWNERS, PEOPLE, QUANTILE, SETTLED, SPANS, TAILS};
use super::{COLUMNS, END, Extent, Iteration, Place, Question};
use crate::metrics::{Definition, Kind};
use measures::measures;

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

const EXPOSURES: &str = include_str!("tables/exposures.sql");
const REPORTED: &str = include_str!("tables/reported.sql");
const NAMED: &str = include_str!("tables/named.sql");
const COMBOS: &str = include_str!("tables/combos.sql");
const SEEN: &str = include_str!("tables/seen.sql");
const MET: &str = include_str!("tables/met.sql");
const PEOPLE_MET: &str = include_str!("tables/people.sql");
const REFUNDS: &str = include_str!("tables/refunds.sql");
const HITS: &str = include_str!("tables/hits.sql");
const BY_AGE: &str = include_str!("tables/by_age.sql");
const MEASURED: &str = include_str!("tables/measured.sql");
const AGED_MEASURED: &str = include_str!("tables/aged.sql");
const QUANTILE_HITS: &str = include_str!("tables/quantile_hits.sql");
const ANSWER: &str = include_str!("tables/answer.sql");
const MATES: &str = include_str!("tables/mates.sql");

/// The tables for questions about iterations, in the order in which they are made.
#[must_use]
pub fn tables(iterations: &[Iteration<'_>], place: Place<'_>) -> Vec<Table> {
    let Some((of, others)) = iterations.split_first() else { return Vec::new() };
    let words = Words::new(*of, None, Extent::Days, place).among(others);
    let query = |steps: &[&str]| words.question(steps).sql;
    let text = |text: &str| words.text(text).sql;
    let people = |sql: &str| text(&of_units(sql, false));
    let sessions = |sql: &str| text(&of_units(sql, true));
    vec![
        view("exposures", text(EXPOSURES)),
        view("reported", text(REPORTED)),
        view("named", text(NAMED)),
        kept("named_once", NAMED_ONCE.to_owned()),
        kept("owners", query(&[NAMED_ODD, OWNERS, OWNERS_ALL])),
        kept("reported_twice", "SELECT id_hash FROM reported GROUP BY id_hash HAVING count(*) > 1".to_owned()),
        view("settled", query(&[REPORTED_ODD, SETTLED, SETTLED_ALL])),
        kept("refunds", text(REFUNDS)),
        kept("spans", query(&[IN_SESSIONS, EXPOSED, SPANS, " SELECT * FROM spans"])),
        kept("combos", text(COMBOS)),
        view("seen", text(SEEN)),
        kept("people_met", people(MET)),
        kept("sessions_met", sessions(MET)),
        view("met", MET_ALL.to_owned()),
        kept("ids_shared", IDS_SHARED.to_owned()),
        kept("odd_first", ODD_FIRST.to_owned()),
        kept("odd_ids", ODD_IDS.to_owned()),
        kept("odd", ODD.to_owned()),
        kept("odd_people", query(&[SEEN_ODD, EXPOSED, PEOPLE, " SELECT * FROM people"])),
        kept("people", people(PEOPLE_MET)),
        kept("sessions", sessions(PEOPLE_MET)),
        // why: the memory that they take is wanted
        kept("people_met", "SELECT 0 AS gone".to_owned()),
        kept("sessions_met", "SELECT 0 AS gone".to_owned()),
        view("everyone", EVERYONE.to_owned()),
        kept("cells_met", CELLS_MET.to_owned()),
    ]
}

/// The tables for the questions about an iteration by these definitions.
#[must_use]
pub fn measured(of: Iteration<'_>, definitions: &[Definition], place: Place<'_>) -> Vec<Table> {
    let words = Words::new(of, None, Extent::Days, place).measured_by(definitions);
    let measures = measures(of, definitions, place);
    let mut tables = vec![kept("all_hits", words.question(&[HITS]).sql)];
    if !measures.is_empty() {
        tables.push(kept("by_age", words.text(&BY_AGE.replace("$columns()", &measures.columns())).sql));
        tables.push(kept("by_unit", measures.by_unit()));
    }
    tables
}

/// The units of an iteration; as [`super::units`].
#[must_use]
pub fn units(of: Iteration<'_>, extent: Extent, place: Place<'_>) -> Question {
    let rest = format!(
        " SELECT $row() FROM (SELECT {COLUMNS} FROM cells \
UNION ALL SELECT 'contaminated', '', '', '', sum(m.crossed), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM cells_met m \
JOIN combos c ON c.combo = $combo(m.cell) WHERE c.experiment_id = $experiment() AND c.iteration = $iteration() \
UNION ALL SELECT 'unknown', '', '', c.variant, sum(m.n), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM cells_met m \
JOIN combos c ON c.combo = $combo(m.cell) WHERE m.n > 0 AND c.experiment_id = $experiment() AND c.iteration = $iteration() \
AND c.variant NOT IN ($variants()) GROUP BY c.variant {END}) r"
    );
    Words::new(of, None, extent, place).question(&[NOTHING, ANSWER, &rest])
}

/// The answer to one of several metrics that were [`measured`]; as [`super::metric`].
#[must_use]
pub fn metric(of: Iteration<'_>, definitions: &[Definition], nth: usize, extent: Extent, place: Place<'_>) -> Question {
    let Some(definition) = definitions.get(nth) else { return units(of, extent, place) };
    let words = Words::new(of, Some(definition), extent, place);
    let ranks = words.ranks();
    let rest = format!(
        " SELECT $row() FROM (SELECT {COLUMNS} FROM cells \
UNION ALL SELECT what, dimension, part, variant, a, b, c, e, f, g, h, i, NULL, NULL, NULL, NULL FROM tails {ranks} {END}) r"
    );
    let measures = measures(of, definitions, place);
    let (measured, aged) = (measures.filled(MEASURED, nth), measures.filled(AGED_MEASURED, nth));
    words.question(&match definition.kind {
        Kind::Quantile(_) => [QUANTILE_HITS, METRIC, QUANTILE, ANSWER, AGED, TAILS, &rest],
        _ => ["", &measured, CONTRIBUTIONS, ANSWER, &aged, TAILS, &rest],
    })
}

/// The first of the metrics that were [`measured`], among the people of other iterations; as [`super::interactions`].
#[must_use]
pub fn interactions(
    of: Iteration<'_>,
    others: &[Iteration<'_>],
    definitions: &[Definition],
    place: Place<'_>,
) -> Question {
    let Some(definition) = definitions.first() else { return units(of, Extent::Days, place) };
    let words = Words::new(of, Some(definition), Extent::Days, place).among(others);
    let measured = measures(of, definitions, place).filled(MEASURED, 0);
    let rest = format!(" SELECT $row() FROM (SELECT {COLUMNS} FROM cells {END}) r");
    words.question(&match definition.kind {
        Kind::Quantile(_) => [QUANTILE_HITS, METRIC, QUANTILE, MATES, &rest],
        _ => ["", &measured, CONTRIBUTIONS, MATES, &rest],
    })
}

/// What is told alike of people and of sessions.
fn of_units(sql: &str, by_session: bool) -> String {
    let words = if by_session {
        [
            ("$by_session()", "kind = 'session'"),
            ("$met()", "sessions_met"),
            ("$person_met()", "min(person) AS person,"),
            ("$persons_differ()", "count(person) <> count(*) OR min(person) <> max(person)"),
            ("$person_of(t)", ", t.person AS person"),
            ("$person_of(p)", ", p.person"),
        ]
    } else {
        [
            ("$by_session()", "kind <> 'session'"),
            ("$met()", "people_met"),
            ("$person_met()", ""),
            ("$persons_differ()", "false"),
            ("$person_of(t)", ""),
            ("$person_of(p)", ""),
        ]
    };
    words.iter().fold(sql.to_owned(), |sql, (word, text)| sql.replace(word, text))
}

/// Nobody contributes anything: the units alone are asked for.
const NOTHING: &str =
    ", contributions AS (SELECT cell, 0 AS converted, 0 AS y, 0 AS d, 0 AS x FROM cells_met WHERE 1 = 0)";

const NAMED_ONCE: &str = "SELECT visitor, min(user_id) AS owner, max(user_id) AS other FROM named GROUP BY visitor";

const NAMED_ODD: &str = ", told AS NOT MATERIALIZED (SELECT * FROM named WHERE visitor IN (SELECT visitor FROM named_once WHERE owner <> other))";

const OWNERS_ALL: &str =
    " SELECT visitor, owner FROM owners UNION ALL SELECT visitor, owner FROM named_once WHERE owner = other";

const REPORTED_ODD: &str = ", told AS (
SELECT * FROM reported WHERE id_hash IN (SELECT id_hash FROM reported_twice))";

const SETTLED_ALL: &str = " SELECT name, ms, value, currency, transaction_id, refund_of, properties, visitor, user_id, session_id,
experiment_id, variant FROM settled
UNION ALL SELECT name, ms, value, currency, transaction_id, refund_of, properties, visitor, user_id, session_id, experiment_id, variant
FROM reported WHERE id_hash NOT IN (SELECT id_hash FROM reported_twice) AND ms <= $now()";

// why: only ids that some session tells of can make one longer
const IN_SESSIONS: &str =
    ", told AS (SELECT * FROM exposures WHERE id IN (SELECT id FROM exposures WHERE session_id IS NOT NULL))";

const MET_ALL: &str = "SELECT iteration_no, unit, id_hash, odd FROM people_met UNION ALL SELECT iteration_no, unit, id_hash, odd FROM sessions_met";

const IDS_SHARED: &str = "SELECT id_hash FROM met WHERE NOT odd GROUP BY id_hash HAVING count(*) > 1";

const ODD_FIRST: &str = "SELECT iteration_no, unit FROM met WHERE odd OR id_hash IN (SELECT id_hash FROM ids_shared)";

const ODD_IDS: &str =
    "SELECT DISTINCT id_hash FROM seen s SEMI JOIN odd_first o ON o.iteration_no = s.iteration_no AND o.unit = s.unit";

const ODD: &str = "SELECT iteration_no, unit FROM odd_first UNION ALL SELECT iteration_no, unit FROM met WHERE NOT odd AND id_hash IN (SELECT id_hash FROM odd_ids)";

const EVERYONE: &str = "SELECT rowid AS unit_no, unit, ms, cell, crossed FROM people
UNION ALL SELECT -1 - rowid, unit, ms, cell, crossed FROM sessions";

const CELLS_MET: &str =
    "SELECT cell, sum(CASE WHEN crossed THEN 0 ELSE 1 END) AS n, sum(CASE WHEN crossed THEN 1 ELSE 0 END) AS crossed
FROM everyone GROUP BY cell";

const SEEN_ODD: &str =
    ", told AS (SELECT s.* FROM seen s SEMI JOIN odd o ON o.iteration_no = s.iteration_no AND o.unit = s.unit)";
