INSERT INTO arrivals (source, ranges, highest, arrived, heard_on)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1) WHERE true
ON CONFLICT (source) DO UPDATE SET (ranges, highest, arrived, heard_on) = (
-- the ranges of both together: one begins where no earlier range reaches its neighbour
SELECT json_group_array(json_array(first, last)), max(last), sum(last - first + 1), max(arrivals.heard_on, excluded.heard_on) FROM (
SELECT min(first) AS first, max(last) AS last FROM (
SELECT first, last, sum(begins) OVER (ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS island FROM (
SELECT first, last, CASE WHEN first <= 1 + max(last) OVER (ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
THEN 0 ELSE 1 END AS begins FROM (
SELECT r.value ->> 0 AS first, r.value ->> 1 AS last FROM json_each(arrivals.ranges) r
UNION ALL SELECT r.value ->> 0, r.value ->> 1 FROM json_each(excluded.ranges) r)))
GROUP BY island ORDER BY first))
