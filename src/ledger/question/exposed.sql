, exposed AS $materialized() (
SELECT * FROM (
SELECT t.*, row_number() OVER (PARTITION BY experiment_id, iteration, id
ORDER BY ms, $binary(variant), $binary(coalesce(visitor, '')), $binary(coalesce(user_id, '')), $binary(config_revision)) AS nth,
min(variant) OVER (PARTITION BY experiment_id, iteration, id) AS least_variant,
max(variant) OVER (PARTITION BY experiment_id, iteration, id) AS last_variant
FROM told t WHERE type = 'experiment_exposed' AND ms <= $now() AND (session_id IS NOT NULL OR $chosen(t))) ex WHERE nth = 1)
, sightings AS (
SELECT ex.experiment_id, ex.iteration, ex.id, ex.variant, ex.ms, ex.visitor AS visitor, ex.user_id, ex.kind, ex.session_id,
CASE WHEN ex.least_variant <> ex.last_variant THEN 1 ELSE 0 END AS crossed,
coalesce('u ' || ex.user_id, 'u ' || o.owner, 'v ' || ex.visitor) AS person,
$parts(ex)
FROM exposed ex LEFT JOIN owners o ON o.visitor = ex.visitor WHERE $chosen(ex))
