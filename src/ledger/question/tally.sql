, tally AS (
SELECT variant, day, $parts(), 1 AS n,
CASE WHEN ms + $window() > $now() THEN 1 ELSE 0 END AS waiting
FROM people WHERE crossed = 0 AND experiment_id = $experiment() AND iteration = $iteration())
