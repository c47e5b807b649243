, counted AS (
SELECT cell, n - coalesce(waiting, 0) AS units, coalesce(waiting, 0) AS waiting, 0 AS converted, 0 AS y, 0 AS yy, 0 AS d, 0 AS dd, 0 AS yd, 0 AS x, 0 AS xx, 0 AS xy, 0 AS xd
FROM cells_met LEFT JOIN (SELECT cell, count(*) AS waiting FROM everyone WHERE NOT crossed AND ms + $window() > $now() GROUP BY cell) w USING (cell) WHERE n > 0
UNION ALL
SELECT cell, 0, 0, sum(converted), sum(y), $product(y, y), sum(d), $product(d, d), $product(y, d), sum(x), $product(x, x), $product(x, y), $product(x, d)
FROM contributions GROUP BY cell),
placed AS (SELECT co.*, $day(c.cell) AS day, c.* EXCLUDE (cell) FROM counted c JOIN combos co ON co.combo = $combo(c.cell) WHERE $asked(co)),
fanned AS (
SELECT di.dimension AS dimension, $part() AS part, p.* FROM placed p CROSS JOIN $dimensions(di)
UNION ALL
SELECT 'version.' || $entry_name(v), $entry_value(v), p.* FROM placed p $lateral() $versions(coalesce(p.versions, '{}'), v)),
cells AS (
SELECT 'sum' AS what, dimension, part, variant, sum(units) AS a, sum(waiting) AS b, sum(converted) AS c, sum(y) AS e, sum(yy) AS f,
sum(d) AS g, sum(dd) AS h, sum(yd) AS i, sum(x) AS j, sum(xx) AS k, sum(xy) AS l, sum(xd) AS m FROM fanned GROUP BY dimension, part, variant)
