, mates AS NOT MATERIALIZED (
SELECT pa.unit_no AS unit, $combo(pa.cell) AS mine, $combo(pb.cell) AS theirs, CASE WHEN pa.ms + $window() > $now() THEN 1 ELSE 0 END AS waiting
FROM everyone pa JOIN everyone pb ON pb.unit = pa.unit WHERE NOT pa.crossed AND NOT pb.crossed
AND $combo(pa.cell) IN (SELECT combo FROM combos c WHERE $asked(c)) AND $combo(pb.cell) IN (SELECT combo FROM combos c WHERE $others(c))),
counted AS (
SELECT ma.mine, ma.theirs, sum(1 - ma.waiting) AS a, sum(ma.waiting) AS b, sum(co.converted) AS c, sum(co.y) AS e, $product(co.y, co.y) AS f, sum(co.d) AS g,
$product(co.d, co.d) AS h, $product(co.y, co.d) AS i, sum(co.x) AS j, $product(co.x, co.x) AS k, $product(co.x, co.y) AS l, $product(co.x, co.d) AS m
FROM mates ma LEFT JOIN contributions co ON co.unit = ma.unit GROUP BY ma.mine, ma.theirs),
cells AS (
SELECT 'pair' AS what, cb.experiment_id || '/' || $text(cb.iteration) AS dimension, cb.variant AS part, ca.variant AS variant, sum(a) AS a, sum(b) AS b, sum(c) AS c,
sum(e) AS e, sum(f) AS f, sum(g) AS g, sum(h) AS h, sum(i) AS i, sum(j) AS j, sum(k) AS k, sum(l) AS l, sum(m) AS m
FROM counted co JOIN combos ca ON ca.combo = co.mine JOIN combos cb ON cb.combo = co.theirs GROUP BY ALL)
