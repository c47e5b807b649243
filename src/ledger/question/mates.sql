, mates AS (
SELECT a.unit, a.variant, b.experiment_id || '/' || $text(b.iteration) AS experiment, b.variant AS other,
CASE WHEN a.ms + $window() > $now() THEN 1 ELSE 0 END AS waiting
FROM people a $many() JOIN people b ON b.unit = a.unit
WHERE a.experiment_id = $experiment() AND a.iteration = $iteration() AND a.variant IN ($variants()) AND a.crossed = 0 AND b.crossed = 0 AND $others(b)),
cells AS (
SELECT 'pair' AS what, m.experiment AS dimension, m.other AS part, m.variant, $sum(1 - m.waiting) AS a, $sum(m.waiting) AS b,
$sum(coalesce(c.converted, 0)) AS c, $sum(coalesce(c.y, 0)) AS e, $product(coalesce(c.y, 0), coalesce(c.y, 0)) AS f,
$sum(coalesce(c.d, 0)) AS g, $product(coalesce(c.d, 0), coalesce(c.d, 0)) AS h, $product(coalesce(c.y, 0), coalesce(c.d, 0)) AS i,
$sum(coalesce(c.x, 0)) AS j, $product(coalesce(c.x, 0), coalesce(c.x, 0)) AS k, $product(coalesce(c.x, 0), coalesce(c.y, 0)) AS l,
$product(coalesce(c.x, 0), coalesce(c.d, 0)) AS m FROM mates m LEFT JOIN contributions c ON c.unit = m.unit
GROUP BY m.experiment, m.other, m.variant)
