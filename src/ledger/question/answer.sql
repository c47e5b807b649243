, placed AS (
SELECT variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions,
n - waiting AS units, waiting, 0 AS converted, 0 AS y, 0 AS d, 0 AS x FROM tally WHERE variant IN ($variants())
UNION ALL
SELECT variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions,
0, 0, converted, y, d, x FROM contributions),
fanned AS (
SELECT di.dimension AS dimension, $part() AS part, p.variant, p.units, p.waiting, p.converted, p.y, p.d, p.x FROM placed p CROSS JOIN $dimensions(di)
UNION ALL
SELECT 'version.' || $entry_name(v), $entry_value(v), p.variant, p.units, p.waiting, p.converted, p.y, p.d, p.x FROM placed p $lateral() $versions(coalesce(p.versions, '{}'), v)),
cells AS (
SELECT 'sum' AS what, dimension, part, variant, $sum(units) AS a, $sum(waiting) AS b, $sum(converted) AS c, $sum(y) AS e, $product(y, y) AS f,
$sum(d) AS g, $product(d, d) AS h, $product(y, d) AS i, $sum(x) AS j, $product(x, x) AS k, $product(x, y) AS l,
$product(x, d) AS m FROM fanned GROUP BY dimension, part, variant)
