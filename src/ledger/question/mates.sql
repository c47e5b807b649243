, mates AS (
SELECT pa.unit AS unit, pa.variant AS variant, pb.experiment_id || '/' || $text(pb.iteration) AS experiment, pb.variant AS other,
CASE WHEN pa.ms + $window() > $now() THEN 1 ELSE 0 END AS waiting
FROM people pa $many() JOIN people pb ON pb.unit = pa.unit
WHERE pa.experiment_id = $experiment() AND pa.iteration = $iteration() AND pa.variant IN ($variants()) AND pa.crossed = 0 AND pb.crossed = 0 AND $others(pb)),
cells AS (
SELECT 'pair' AS what, ma.experiment AS dimension, ma.other AS part, ma.variant AS variant, $sum(1 - ma.waiting) AS a, $sum(ma.waiting) AS b,
$sum(coalesce(co.converted, 0)) AS c, $sum(coalesce(co.y, 0)) AS e, $product(coalesce(co.y, 0), coalesce(co.y, 0)) AS f,
$sum(coalesce(co.d, 0)) AS g, $product(coalesce(co.d, 0), coalesce(co.d, 0)) AS h, $product(coalesce(co.y, 0), coalesce(co.d, 0)) AS i,
$sum(coalesce(co.x, 0)) AS j, $product(coalesce(co.x, 0), coalesce(co.x, 0)) AS k, $product(coalesce(co.x, 0), coalesce(co.y, 0)) AS l,
$product(coalesce(co.x, 0), coalesce(co.d, 0)) AS m FROM mates ma LEFT JOIN contributions co ON co.unit = ma.unit
GROUP BY ma.experiment, ma.other, ma.variant)
