, tally AS (
SELECT variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions, 1 AS n,
CASE WHEN ms + $window() > $now() THEN 1 ELSE 0 END AS waiting
FROM people WHERE crossed = 0 AND experiment_id = $experiment() AND iteration = $iteration())
