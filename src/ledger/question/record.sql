sightings AS (
SELECT e.experiment_id, e.iteration, e.id, e.variant, $millis(e.exposed_at) AS ms, e.anonymous_id AS visitor, e.user_id, e.unit AS kind,
CASE e.unit WHEN 'session' THEN e.unit_id END AS session_id,
(SELECT count(*) FROM exposure_variants v WHERE v.exposure_id = e.id AND v.first_at <= $now_text()) > 1 AS crossed,
CASE WHEN e.user_id IS NOT NULL THEN 'u ' || e.user_id ELSE coalesce('u ' || (SELECT i.user_id FROM identities i
WHERE i.project = $project() AND i.anonymous_id = e.anonymous_id AND i.identified_at <= $now_text()
ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || e.anonymous_id) END AS person,
e.device, e.country, e.region, e.browser, e.referrer_host, e.visitor_type, e.logged_in, e.fallback, e.versions
FROM $seen() AND e.exposed_at <= $now_text()),
outcomes AS MATERIALIZED (
SELECT c.id, c.conversion_event AS name, $millis(c.converted_at) AS ms, c.value_minor AS value, c.currency, c.transaction_id, c.properties,
c.anonymous_id AS visitor, +c.session_id AS session_id, CASE c.experiment_id WHEN $experiment() THEN c.variant END AS claimed,
CASE WHEN c.user_id IS NOT NULL THEN 'u ' || c.user_id ELSE coalesce('u ' || (SELECT i.user_id FROM identities i
WHERE i.project = $project() AND i.anonymous_id = c.anonymous_id AND i.identified_at <= $now_text()
ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || c.anonymous_id) END AS person
FROM conversions c $many() WHERE c.project = $project() AND c.conversion_event IN ($event(), $per()) AND c.refund_of IS NULL
AND c.converted_at <= $now_text() AND c.converted_at >= (SELECT strftime('%Y-%m-%d', min(exposed_at), '-' || ($lookback() / 86400000 + 1) || ' days')
FROM exposures WHERE project = $project() AND experiment_id = $experiment() AND iteration = $iteration())),
refunds AS MATERIALIZED (
SELECT refund_of AS transaction_id, coalesce(currency, '') AS currency, abs(value_minor) AS amount, $millis(converted_at) AS ms
FROM conversions $many() WHERE project = $project() AND refund_of IS NOT NULL AND value_minor IS NOT NULL AND converted_at <= $now_text()),
spans AS (
SELECT session_id, max($millis(at)) AS last_ms FROM (
SELECT unit_id AS session_id, exposed_at AS at FROM exposures WHERE project = $project() AND unit = 'session' AND exposed_at <= $now_text()
UNION ALL SELECT session_id, converted_at FROM conversions WHERE project = $project() AND session_id IS NOT NULL
AND converted_at <= $now_text()) s GROUP BY session_id)
