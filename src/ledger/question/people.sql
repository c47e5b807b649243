, people AS $materialized() (
SELECT experiment_id, iteration, unit, kind, session_id, person, variant, ms, $idiv(ms, 86400000) AS day,
CASE WHEN any_crossed = 1 OR least_variant <> last_variant THEN 1 ELSE 0 END AS crossed,
$parts() FROM (
SELECT s.*, row_number() OVER (PARTITION BY experiment_id, iteration, unit
ORDER BY ms, $binary(variant), $binary(coalesce(visitor, '')), $binary(coalesce(user_id, '')), $binary(id)) AS nth,
max(crossed) OVER (PARTITION BY experiment_id, iteration, unit) AS any_crossed,
min(variant) OVER (PARTITION BY experiment_id, iteration, unit) AS least_variant,
max(variant) OVER (PARTITION BY experiment_id, iteration, unit) AS last_variant
FROM (SELECT t.*, CASE kind WHEN 'session' THEN 's ' || session_id ELSE person END AS unit FROM sightings t) s) p $many() WHERE nth = 1)
