//! The record → what the statistics need of one metric: sums per variant.
//!
//! Who counts: people, not cookies. A visitor belongs to the user of their first identification, an outcome to the user of
//! the last one before it, so that what the next person does on a shared device is not put down to the one before. A
//! person who met two variants, on one device or on two, is contaminated and left out. An outcome counts when it happened
//! at or after the person's first exposure; a refund is its order's person's.

/// A query with its parameters: `?1` project, `?2` experiment, `?3` iteration, `?4` conversion event, `?5` the largest
/// value of one person in minor units (at most [`crate::events::money::MAX_MINOR`]; below it values are winsorised).
///
/// Columns: `variant`, `people`, `converted` (people with at least one outcome), `times` and `times_sq` (outcomes per
/// person), `value` (sum of the people's values), `value_sq_high` and `value_sq_low` (the sum of their squares is
/// `high · 2³² + low`: each square fits 64 bits, their sum need not, and D1 hands out doubles), `value_times` (sum of value
/// · outcomes). Both sides of the join are materialised, or SQLite compares every person with every outcome. The plan goes through `exposures_by_experiment` and `conversions_by_event`; identities and variants are
/// looked up by their primary keys.
pub const SUMS: &str = concat!(
    "WITH met AS (SELECT e.variant, e.exposed_at, CASE e.unit WHEN 'user' THEN 'u ' || e.unit_id ELSE coalesce('u ' || \
(SELECT i.user_id FROM identities i WHERE i.project = e.project AND i.anonymous_id = e.anonymous_id \
ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || e.anonymous_id) END AS person, \
(SELECT count(*) FROM exposure_variants v WHERE v.exposure_id = e.id) AS variants \
FROM exposures e WHERE e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3), ",
    "people AS MATERIALIZED (SELECT person, min(variant) AS variant, min(exposed_at) AS exposed_at FROM met GROUP BY person \
HAVING max(variants) = 1 AND min(variant) = max(variant)), ",
    "told AS (SELECT c.project, c.converted_at, coalesce(o.converted_at, c.converted_at) AS owned_at, c.value_minor, coalesce(c.user_id, o.user_id) AS user_id, \
coalesce(c.anonymous_id, o.anonymous_id) AS anonymous_id FROM conversions c LEFT JOIN conversions o \
ON c.refund_of IS NOT NULL AND o.project = c.project AND o.transaction_id = c.refund_of AND o.refund_of IS NULL \
AND o.conversion_event = 'purchase' WHERE c.project = ?1 AND c.conversion_event = ?4), ",
    "outcomes AS MATERIALIZED (SELECT t.converted_at, t.value_minor, coalesce('u ' || t.user_id, 'u ' || coalesce(\
(SELECT i.user_id FROM identities i WHERE i.project = t.project AND i.anonymous_id = t.anonymous_id \
AND i.identified_at <= t.owned_at ORDER BY i.identified_at DESC, i.user_id LIMIT 1), \
(SELECT i.user_id FROM identities i WHERE i.project = t.project AND i.anonymous_id = t.anonymous_id \
ORDER BY i.identified_at, i.user_id LIMIT 1)), 'v ' || t.anonymous_id) AS person FROM told t), ",
    "each AS (SELECT p.variant, count(o.converted_at) AS times, \
max(min(coalesce(sum(o.value_minor), 0), ?5), -?5) AS value \
FROM people p LEFT JOIN outcomes o ON o.person = p.person AND o.converted_at >= p.exposed_at GROUP BY p.person, p.variant) ",
    "SELECT variant, count(*) AS people, sum(times > 0) AS converted, sum(times) AS times, sum(times * times) AS times_sq, \
sum(value) AS value, sum((value * value) >> 32) AS value_sq_high, sum((value * value) & 4294967295) AS value_sq_low, \
sum(value * times) AS value_times FROM each GROUP BY variant ORDER BY variant",
);

/// How many people met more than one variant, with `?1` project, `?2` experiment, `?3` iteration. Columns: `people`,
/// `contaminated`.
pub const CONTAMINATION: &str = "WITH met AS (SELECT v.variant, CASE e.unit WHEN 'user' THEN 'u ' || e.unit_id \
ELSE coalesce('u ' || (SELECT i.user_id FROM identities i WHERE i.project = e.project \
AND i.anonymous_id = e.anonymous_id ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || e.anonymous_id) END AS person \
FROM exposures e JOIN exposure_variants v ON v.exposure_id = e.id \
WHERE e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3) \
SELECT count(*) AS people, coalesce(sum(variants > 1), 0) AS contaminated \
FROM (SELECT count(DISTINCT variant) AS variants FROM met GROUP BY person)";
