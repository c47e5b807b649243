, hits AS MATERIALIZED (
SELECT p.unit, p.variant, p.ms AS met, p.day, p.device, p.country, p.region, p.browser, p.referrer_host, p.visitor_type, p.logged_in,
p.fallback, p.versions, o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o CROSS JOIN people p ON p.person = o.person
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind <> 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms - $lookback()
UNION ALL
SELECT p.unit, p.variant, p.ms AS met, p.day, p.device, p.country, p.region, p.browser, p.referrer_host, p.visitor_type, p.logged_in,
p.fallback, p.versions, o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o CROSS JOIN people p ON p.session_id = o.session_id
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind = 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms
UNION ALL
SELECT p.unit, p.variant, p.ms AS met, p.day, p.device, p.country, p.region, p.browser, p.referrer_host, p.visitor_type, p.logged_in,
p.fallback, p.versions, o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o CROSS JOIN people p ON p.person = o.person CROSS JOIN spans s ON s.session_id = p.session_id
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind = 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms - $lookback()
AND (o.ms < p.ms OR (o.session_id IS NULL AND o.ms <= s.last_ms))
UNION ALL
SELECT 'v ' || e.anonymous_id, e.variant, $millis(e.exposed_at), unixepoch(substr(e.exposed_at, 1, 10)) / 86400, e.device, e.country, e.region, e.browser, e.referrer_host,
e.visitor_type, e.logged_in, e.fallback, e.versions, o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o CROSS JOIN exposures e ON e.project = $project() AND e.experiment_id = $experiment() AND e.iteration = $iteration()
AND e.anonymous_id = o.visitor WHERE o.person = 'v ' || o.visitor AND e.unit = 'visitor' AND +e.exposed_at <= $now_text()
AND e.variant IN ($variants()) AND o.ms >= $millis(e.exposed_at) - $lookback() AND e.id NOT IN (SELECT id FROM slow))
