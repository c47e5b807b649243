, hits AS $materialized() (
SELECT p.unit AS unit, p.variant, p.ms AS met, p.day, $parts(p), o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o JOIN people p ON p.person = o.person
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind <> 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms - $lookback()
UNION ALL
SELECT p.unit AS unit, p.variant, p.ms AS met, p.day, $parts(p), o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o JOIN people p ON p.session_id = o.session_id
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind = 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms
UNION ALL
SELECT p.unit AS unit, p.variant, p.ms AS met, p.day, $parts(p), o.id, o.name, o.ms, o.value, o.currency, o.transaction_id, o.properties, o.claimed
FROM outcomes o JOIN people p ON p.person = o.person JOIN spans s ON s.session_id = p.session_id
WHERE p.experiment_id = $experiment() AND p.iteration = $iteration() AND p.crossed = 0 AND p.kind = 'session' AND p.variant IN ($variants()) AND o.ms >= p.ms - $lookback()
AND (o.ms < p.ms OR (o.session_id IS NULL AND o.ms <= s.last_ms)))
