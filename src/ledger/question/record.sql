sightings AS (
SELECT e.experiment_id, e.iteration, e.id, e.variant, e.ms, e.visitor, e.user_id, e.kind, e.session_id, e.crossed,
CASE WHEN e.user_id IS NOT NULL THEN 'u ' || e.user_id ELSE coalesce('u ' || (SELECT i.user_id FROM identities i
WHERE i.project = $project() AND i.anonymous_id = e.visitor AND i.identified_at <= $now_text()
ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || e.visitor) END AS person,
e.device, e.country, e.region, e.browser, e.referrer_host, e.visitor_type, e.logged_in, e.fallback, e.versions
FROM (SELECT n.experiment_id, n.iteration, e.id, v.id AS variant, e.at AS ms,
CASE e.kind WHEN 0 THEN $unpacked(e.unit) ELSE $unpacked(e.visitor) END AS visitor,
CASE e.kind WHEN 1 THEN $unpacked(e.unit) ELSE $unpacked(e.user_id) END AS user_id,
CASE e.kind WHEN 0 THEN 'visitor' WHEN 1 THEN 'user' ELSE 'session' END AS kind, CASE e.kind WHEN 2 THEN $unpacked(e.unit) END AS session_id,
EXISTS (SELECT 1 FROM second_variants w WHERE w.iteration_no = e.iteration_no AND w.kind = e.kind AND w.unit = e.unit AND w.id = e.id
AND w.variant_no <> e.variant_no AND w.first_at <= $now()) AS crossed,
s.device, s.country, s.region, s.browser, s.referrer_host, s.visitor_type, s.logged_in, s.fallback, s.versions
FROM $seen() CROSS JOIN variants v ON v.number = e.variant_no CROSS JOIN segments s ON s.number = e.segment_no
WHERE n.project = $project() AND $chosen(n) AND +e.at <= $now()) e),
outcomes AS MATERIALIZED (
SELECT c.id, c.conversion_event AS name, $millis(c.converted_at) AS ms, c.value_minor AS value, c.currency, c.transaction_id, c.properties,
c.anonymous_id AS visitor, +c.session_id AS session_id, CASE c.experiment_id WHEN $experiment() THEN c.variant END AS claimed,
CASE WHEN c.user_id IS NOT NULL THEN 'u ' || c.user_id ELSE coalesce('u ' || (SELECT i.user_id FROM identities i
WHERE i.project = $project() AND i.anonymous_id = c.anonymous_id AND i.identified_at <= $now_text()
ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || c.anonymous_id) END AS person
FROM conversions c $many() WHERE c.project = $project() AND c.conversion_event IN ($event(), $per()) AND c.refund_of IS NULL
AND c.converted_at <= $now_text() AND c.converted_at >= (SELECT strftime('%Y-%m-%d', min(at) / 1000, 'unixepoch', '-' || ($lookback() / 86400000 + 1) || ' days')
FROM exposed WHERE iteration_no = $iteration_no())),
refunds AS MATERIALIZED (
SELECT refund_of AS transaction_id, coalesce(currency, '') AS currency, abs(value_minor) AS amount, $millis(converted_at) AS ms
FROM conversions $many() WHERE project = $project() AND refund_of IS NOT NULL AND value_minor IS NOT NULL AND converted_at <= $now_text()),
spans AS (
SELECT session_id, max(ms) AS last_ms FROM (
SELECT $unpacked(e.unit) AS session_id, e.at AS ms FROM iterations n CROSS JOIN exposed e ON e.iteration_no = n.number AND e.kind = 2
WHERE n.project = $project() AND +e.at <= $now()
UNION ALL SELECT session_id, $millis(converted_at) FROM conversions WHERE project = $project() AND session_id IS NOT NULL
AND converted_at <= $now_text()) s GROUP BY session_id)
