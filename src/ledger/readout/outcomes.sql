, told AS (SELECT c.id, c.conversion_event, c.converted_at, coalesce(o.converted_at, c.converted_at) AS owned_at, c.value_minor,
coalesce(c.user_id, o.user_id) AS user_id, coalesce(c.anonymous_id, o.anonymous_id) AS anonymous_id,
CASE c.experiment_id WHEN ?2 THEN c.variant END AS claimed
FROM conversions c LEFT JOIN conversions o ON c.refund_of IS NOT NULL AND o.project = c.project AND o.transaction_id = c.refund_of
AND o.refund_of IS NULL AND o.conversion_event = 'purchase'
WHERE c.project = ?1 AND c.conversion_event IN (?4, ?5) AND c.converted_at >= (SELECT min(exposed_at) FROM exposures
WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3)),
outcomes AS MATERIALIZED (SELECT t.*, coalesce('u ' || t.user_id, 'u ' || coalesce((SELECT i.user_id FROM identities i
WHERE i.project = ?1 AND i.anonymous_id = t.anonymous_id AND i.identified_at <= t.owned_at ORDER BY i.identified_at DESC, i.user_id LIMIT 1),
(SELECT i.user_id FROM identities i WHERE i.project = ?1 AND i.anonymous_id = t.anonymous_id
ORDER BY i.identified_at, i.user_id LIMIT 1)), 'v ' || t.anonymous_id) AS person FROM told t),
hits AS (SELECT o.*, p.variant, p.exposed_at, p.first ->> 1 AS device, p.first ->> 2 AS country, p.first ->> 3 AS visitor_type
FROM outcomes o CROSS JOIN people p ON p.person = o.person WHERE NOT p.crossed AND o.converted_at >= p.exposed_at
UNION ALL SELECT o.*, e.variant, e.exposed_at, e.device, e.country, e.visitor_type FROM outcomes o CROSS JOIN exposures e
ON e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3 AND e.anonymous_id = o.anonymous_id
WHERE o.person = 'v ' || o.anonymous_id AND e.unit = 'visitor' AND o.converted_at >= +e.exposed_at AND e.id NOT IN (SELECT id FROM slow)),
running AS (SELECT *, CASE conversion_event WHEN ?4 THEN coalesce(value_minor, 0) ELSE 0 END AS dy, conversion_event = ?5 AS dd,
conversion_event = ?4 AS dc, sum(CASE conversion_event WHEN ?4 THEN coalesce(value_minor, 0) ELSE 0 END) OVER earlier AS total,
sum(conversion_event = ?5) OVER earlier AS n, sum(conversion_event = ?4) OVER earlier AS c FROM hits
WINDOW earlier AS (PARTITION BY person ORDER BY converted_at, id ROWS UNBOUNDED PRECEDING)),
steps AS MATERIALIZED (SELECT variant, substr(converted_at, 1, 10) AS day, device, country, visitor_type, exposed_at, person,
dc AND c = 1 AS converted, claimed IS NOT NULL AND claimed <> variant AS contradicts, dd, n * n - (n - dd) * (n - dd) AS ddd,
max(min(total, CAST(?6 AS INTEGER)), -3037000499) AS after, max(min(total - dy, CAST(?6 AS INTEGER)), -3037000499) AS before, n FROM running),
changes AS MATERIALIZED (SELECT *, after - before AS y, after * after - before * before AS yy, after * n - before * (n - dd) AS yd FROM steps),
cells AS MATERIALIZED (SELECT variant, day, coalesce(device, '') AS device, coalesce(country, '') AS country, coalesce(visitor_type, '') AS visitor_type,
sum(converted) AS converted, sum(y) AS y, sum(yy >> 32) AS yy_high, sum(yy & 4294967295) AS yy_low, sum(dd) AS d, sum(ddd) AS dd, sum(yd) AS yd
FROM changes GROUP BY 1, 2, 3, 4, 5),
tenures AS (SELECT variant, CAST(julianday(day) - julianday(substr(exposed_at, 1, 10)) AS INTEGER) AS age, max(converted) AS converted,
max(min(sum(y), 3037000499), -3037000499) AS y, sum(dd) AS d FROM changes WHERE day < ?7 GROUP BY variant, person, age)
SELECT json_array(dimension, part, variant, converted, y, yy_high, yy_low, d, dd, yd) FROM (
SELECT k.value AS dimension, CASE k.value WHEN 'day' THEN day WHEN 'device' THEN device WHEN 'country' THEN country ELSE visitor_type END AS part,
variant, sum(converted) AS converted, sum(y) AS y, sum(yy_high) AS yy_high, sum(yy_low) AS yy_low, sum(d) AS d, sum(dd) AS dd, sum(yd) AS yd
FROM json_each('["day","device","country","visitor_type"]') k CROSS JOIN cells GROUP BY 1, 2, 3
UNION ALL SELECT 'age', age, variant, sum(converted), sum(y), sum((y * y) >> 32), sum((y * y) & 4294967295), sum(d), sum(d * d), sum(y * d) FROM tenures WHERE age < 28 GROUP BY 2, 3
UNION ALL SELECT 'contradicts', '', variant, count(DISTINCT person), 0, 0, 0, 0, 0, 0 FROM changes WHERE contradicts GROUP BY 3)
