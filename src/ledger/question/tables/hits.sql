, outcomes AS NOT MATERIALIZED (
SELECT co.name, co.ms, co.value, co.currency, co.transaction_id, $properties(co) AS properties, co.session_id,
CASE WHEN co.experiment_id = $experiment() THEN co.variant END AS claimed, $person(co, o) AS person
FROM settled co LEFT JOIN owners o ON o.visitor = co.visitor WHERE co.refund_of IS NULL AND co.name IN ($names())),
met AS NOT MATERIALIZED (
SELECT p.rowid AS unit_no, p.unit, p.ms, p.cell, c.variant FROM people p JOIN combos c ON c.combo = $combo(p.cell) WHERE NOT p.crossed AND $asked(c)),
sat AS NOT MATERIALIZED (
SELECT -1 - p.rowid AS unit_no, substr(p.unit, 3) AS session_id, p.person, p.ms, p.cell, c.variant
FROM sessions p JOIN combos c ON c.combo = $combo(p.cell) WHERE NOT p.crossed AND $asked(c)),
hits AS NOT MATERIALIZED (
SELECT p.unit_no, p.variant, p.ms AS met, p.cell, o.* FROM outcomes o JOIN met p ON p.unit = o.person WHERE o.ms >= p.ms - $lookback()
UNION ALL
SELECT p.unit_no, p.variant, p.ms, p.cell, o.* FROM outcomes o JOIN sat p ON p.session_id = o.session_id WHERE o.ms >= p.ms
UNION ALL
SELECT p.unit_no, p.variant, p.ms, p.cell, o.* FROM outcomes o JOIN sat p ON p.person = o.person JOIN spans s ON s.session_id = p.session_id
WHERE o.ms >= p.ms - $lookback() AND (o.ms < p.ms OR (o.session_id IS NULL AND o.ms <= s.last_ms)))
SELECT h.unit_no AS unit, h.cell, h.met, h.ms, h.name, h.value, h.currency, h.properties, coalesce(h.claimed <> h.variant, false) AS contradicts,
CASE WHEN h.value > 0 THEN h.value - CAST(least(h.value, coalesce(CASE WHEN h.ms >= h.met THEN r.amount
ELSE list_sum([part.amount FOR part IN r.parts IF part.ms < h.met]) END, 0)) AS BIGINT) ELSE coalesce(h.value, 0) END AS remains
FROM hits h LEFT JOIN refunds r ON r.transaction_id = h.transaction_id AND r.currency = coalesce(h.currency, '')
