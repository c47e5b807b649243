told AS $scanned() (
SELECT type, id, anonymous_id AS visitor, user_id, session_id, experiment_id, iteration, variant, unit AS kind, config_revision,
conversion_event AS name, value, currency, transaction_id, refund_of, CASE channel WHEN 'page' THEN 1 ELSE 0 END AS from_page, properties,
device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions,
CASE type WHEN 'experiment_exposed' THEN $millis(exposed_at) WHEN 'experiment_converted' THEN $millis(converted_at) ELSE $millis(seen_at) END AS ms
FROM $events() WHERE project = $project() AND type IN ('experiment_exposed', 'experiment_converted', 'identified')),
owners AS $materialized() (
SELECT visitor, user_id AS owner FROM (
SELECT visitor, user_id, row_number() OVER (PARTITION BY visitor ORDER BY ms, $binary(user_id)) AS nth
FROM told WHERE visitor IS NOT NULL AND user_id IS NOT NULL AND ms <= $now()) o WHERE nth = 1),
exposed AS $materialized() (
SELECT * FROM (
SELECT t.*, row_number() OVER (PARTITION BY experiment_id, iteration, id
ORDER BY ms, $binary(variant), $binary(coalesce(visitor, '')), $binary(coalesce(user_id, '')), $binary(config_revision)) AS nth,
min(variant) OVER (PARTITION BY experiment_id, iteration, id) AS least_variant,
max(variant) OVER (PARTITION BY experiment_id, iteration, id) AS last_variant
FROM told t WHERE type = 'experiment_exposed' AND ms <= $now() AND (session_id IS NOT NULL OR $chosen(t))) ex WHERE nth = 1),
sightings AS (
SELECT ex.experiment_id, ex.iteration, ex.id, ex.variant, ex.ms, ex.visitor AS visitor, ex.user_id, ex.kind, ex.session_id,
CASE WHEN ex.least_variant <> ex.last_variant THEN 1 ELSE 0 END AS crossed,
coalesce('u ' || ex.user_id, 'u ' || o.owner, 'v ' || ex.visitor) AS person,
ex.device, ex.country, ex.region, ex.browser, ex.referrer_host, ex.visitor_type, ex.logged_in, ex.fallback, ex.versions
FROM exposed ex LEFT JOIN owners o ON o.visitor = ex.visitor WHERE $chosen(ex)),
settled AS $materialized() (
SELECT * FROM (
SELECT t.*, row_number() OVER (PARTITION BY id ORDER BY from_page, ms, CASE WHEN value IS NULL THEN 0 ELSE 1 END, coalesce(value, 0),
$binary(coalesce(currency, '')), $binary(coalesce(visitor, '')), $binary(coalesce(user_id, ''))) AS nth
FROM told t WHERE type = 'experiment_converted') co WHERE nth = 1 AND ms <= $now()),
outcomes AS $materialized() (
SELECT co.id, co.name, co.ms, co.value, co.currency, co.transaction_id, co.properties, co.visitor AS visitor, co.session_id,
CASE WHEN co.experiment_id = $experiment() THEN co.variant END AS claimed,
coalesce('u ' || co.user_id, 'u ' || o.owner, 'v ' || co.visitor) AS person
FROM settled co LEFT JOIN owners o ON o.visitor = co.visitor WHERE co.refund_of IS NULL AND co.name IN ($event(), $per())),
refunds AS $materialized() (
SELECT refund_of AS transaction_id, coalesce(currency, '') AS currency, $abs(value) AS amount, ms
FROM settled WHERE refund_of IS NOT NULL AND value IS NOT NULL),
spans AS (
SELECT session_id, max(ms) AS last_ms FROM (
SELECT session_id, ms FROM exposed WHERE session_id IS NOT NULL
UNION ALL SELECT session_id, ms FROM settled WHERE session_id IS NOT NULL) s GROUP BY session_id)
