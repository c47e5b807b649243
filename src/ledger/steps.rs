//! How exposures come into the record: what they name gets numbers first, then come the exposures, then what units met
//! besides their first variant. The same steps take along what the tables of before hold.

use super::dialect::Dialect;
use super::question::Question;
use super::tree::{Node, parse};

pub(super) const ITERATIONS: &str = "INSERT INTO iterations (project, experiment_id, iteration) \
SELECT value ->> 0, value ->> 1, value ->> 2 FROM $rows() WHERE true ON CONFLICT DO NOTHING";

pub(super) const VARIANTS: &str =
    "INSERT INTO variants (id) SELECT value ->> 0 FROM $rows() WHERE true ON CONFLICT DO NOTHING";

pub(super) const REVISIONS: &str =
    "INSERT INTO revisions (id) SELECT value ->> 0 FROM $rows() WHERE true ON CONFLICT DO NOTHING";

pub(super) const SEGMENTS: &str = "INSERT INTO segments (country, device, browser, visitor_type, region, referrer_host, \
logged_in, fallback, versions) SELECT coalesce(value ->> 0, ''), coalesce(value ->> 1, ''), coalesce(value ->> 2, ''), \
coalesce(value ->> 3, ''), coalesce(value ->> 4, ''), coalesce(value ->> 5, ''), coalesce(value ->> 6, ''), \
coalesce(value ->> 7, ''), coalesce(value ->> 8, '{}') FROM $rows() WHERE true ON CONFLICT DO NOTHING";

/// Of several of one id the least by time, variant, ids and revision stays, whatever order they arrive in.
pub(super) const EXPOSED: &str = include_str!("statements/exposed.sql");

/// What a unit met besides its first variant: to be run after [`EXPOSED`], whose trigger keeps what a first one replaces.
pub(super) const SECOND_VARIANTS: &str = include_str!("statements/second_variants.sql");

/// A statement with its calls as D1 writes them; `rows` is what `$rows()` stands for: JSON arrays in a column `value`.
pub(super) fn sql(text: &str, rows: &str) -> String {
    fn written(nodes: &[Node<'_>], rows: &str) -> String {
        let piece = |node: &Node<'_>| match node {
            Node::Text(text) => (*text).to_owned(),
            Node::Call("rows", _) => rows.to_owned(),
            Node::Call(name, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|one| written(one, rows)).collect();
                // why: a call that nobody knows must not pass as SQL
                Dialect::Sqlite.call(name, &arguments).unwrap_or_else(|| format!("${name}()"))
            }
        };
        nodes.iter().map(piece).collect()
    }
    written(&parse(text), rows)
}

/// How many exposures of before are taken along in one transaction.
const STEP: u32 = 2_000;

/// The statements that take along a step of the exposures of before, to be run in one transaction, until the first, which
/// tells whether there are any, answers with nothing.
#[must_use]
pub fn take_along() -> Vec<Question> {
    let step = format!("(SELECT * FROM exposures_before ORDER BY id LIMIT {STEP})");
    let distinct = |fields: &str| format!("(SELECT DISTINCT json_array({fields}) AS value FROM {step})");
    let exposures = format!(
        "(SELECT json_array(id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, user_id, reason, \
exposed_at, config_revision, country, device, browser, visitor_type, region, referrer_host, logged_in, fallback, versions) AS value \
FROM {step})"
    );
    let of = |fields: &str| {
        format!("(SELECT {fields} AS value FROM {step} e JOIN exposure_variants_before v ON v.exposure_id = e.id)")
    };
    let met = of("json_array(e.id, e.project, e.experiment_id, e.iteration, v.variant, e.unit, e.unit_id, v.first_at)");
    let segments =
        distinct("country, device, browser, visitor_type, region, referrer_host, logged_in, fallback, versions");
    let statements = [
        "SELECT 1 FROM exposures_before LIMIT 1".to_owned(),
        sql(ITERATIONS, &distinct("project, experiment_id, iteration")),
        sql(VARIANTS, &of("DISTINCT json_array(v.variant)")),
        // why: of an exposure that nothing else knows the variant of
        sql(VARIANTS, &distinct("variant")),
        sql(REVISIONS, &distinct("config_revision")),
        sql(SEGMENTS, &segments),
        sql(EXPOSED, &exposures),
        sql(SECOND_VARIANTS, &met),
        format!("DELETE FROM exposure_variants_before WHERE exposure_id IN (SELECT id FROM {step})"),
        format!("DELETE FROM exposures_before WHERE id IN (SELECT id FROM {step})"),
        // why: answers of a record that was not whole must not be shown as those of one that is
        "DELETE FROM readouts".to_owned(),
    ];
    statements.map(|sql| Question { sql, values: Vec::new() }).into()
}
