, counted AS (
SELECT combo, sum(1 - waiting) AS units, sum(waiting) AS waiting, 0 AS converted, 0 AS y, 0 AS yy, 0 AS d, 0 AS dd, 0 AS yd, 0 AS x, 0 AS xx, 0 AS xy, 0 AS xd
FROM (SELECT combo, CASE WHEN ms + $window() > $now() THEN 1 ELSE 0 END AS waiting FROM people
WHERE crossed = 0 AND experiment_id = $experiment() AND iteration = $iteration() AND variant IN ($variants())) t GROUP BY combo
UNION ALL
SELECT combo, 0, 0, sum(converted), sum(y), $product(y, y), sum(d), $product(d, d), $product(y, d), sum(x), $product(x, x), $product(x, y), $product(x, d)
FROM contributions GROUP BY combo),
placed AS (SELECT c.*, co.variant AS variant, co.day AS day, co.device AS device, co.country AS country, co.region AS region, co.browser AS browser,
co.referrer_host AS referrer_host, co.visitor_type AS visitor_type, co.logged_in AS logged_in, co.fallback AS fallback, co.versions AS versions FROM counted c JOIN combos co ON co.combo = c.combo),
fanned AS (
SELECT di.dimension AS dimension, $part() AS part, p.* FROM placed p CROSS JOIN $dimensions(di)
UNION ALL
SELECT 'version.' || $entry_name(v), $entry_value(v), p.* FROM placed p $lateral() $versions(coalesce(p.versions, '{}'), v)),
cells AS (
SELECT 'sum' AS what, dimension, part, variant, sum(units) AS a, sum(waiting) AS b, sum(converted) AS c, sum(y) AS e, sum(yy) AS f,
sum(d) AS g, sum(dd) AS h, sum(yd) AS i, sum(x) AS j, sum(xx) AS k, sum(xy) AS l, sum(xd) AS m FROM fanned GROUP BY dimension, part, variant)
