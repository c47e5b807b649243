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
SELECT o.person, v.id, e.at, e.at / 86400000, s.device, s.country, s.region, s.browser, s.referrer_host,
s.visitor_type, s.logged_in, s.fallback, s.versions, o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o CROSS JOIN exposed e ON e.iteration_no = $iteration_no() AND e.kind = 0 AND e.unit = $packed(o.visitor)
CROSS JOIN variants v ON v.number = e.variant_no CROSS JOIN segments s ON s.number = e.segment_no
WHERE o.person = 'v ' || o.visitor AND +e.at <= $now() AND v.id IN ($variants()) AND o.ms >= +e.at - $lookback()
AND (e.unit, e.id) NOT IN (SELECT unit, id FROM slow WHERE kind = 0))
