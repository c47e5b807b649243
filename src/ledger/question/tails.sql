, aging AS (
SELECT variant, age, CASE WHEN number > 0 THEN 1 ELSE 0 END AS converted, CASE WHEN $y(number, worth) > bound.cap THEN bound.cap ELSE $y(number, worth) END AS y, d
FROM aged CROSS JOIN bound WHERE age < 28),
late AS (
SELECT CASE WHEN h >= 336 THEN 336 WHEN h >= 168 THEN 168 WHEN h >= 72 THEN 72 WHEN h >= 48 THEN 48 WHEN h >= 24 THEN 24 WHEN h >= 12 THEN 12
WHEN h >= 6 THEN 6 WHEN h >= 3 THEN 3 WHEN h >= 1 THEN 1 ELSE 0 END AS hours FROM (
SELECT $idiv(ms - met, 3600000) AS h FROM priced WHERE mine = 1 AND earlier = 0) q),
tails AS (
SELECT 'sum' AS what, 'age' AS dimension, $text(age) AS part, variant, $sum(0) AS a, $sum(0) AS b, $sum(converted) AS c, $sum(y) AS e,
$product(y, y) AS f, $sum(d) AS g, $product(d, d) AS h, $product(y, d) AS i FROM aging GROUP BY age, variant
UNION ALL SELECT 'currency', '', currency, '', $number(n), $number(other), NULL, NULL, NULL, NULL, NULL, NULL FROM values_found
UNION ALL SELECT 'cap', '', '', '', $number(cap), NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM bound
UNION ALL SELECT 'delay', '', '', '', $number(hours), $number(count(*)), NULL, NULL, NULL, NULL, NULL, NULL FROM late GROUP BY hours
UNION ALL SELECT 'contradicts', '', '', '', $number(count(DISTINCT unit)), NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM priced
WHERE mine = 1 AND earlier = 0 AND claimed IS NOT NULL AND claimed <> variant)
