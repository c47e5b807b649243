, tally AS MATERIALIZED (
SELECT variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions, sum(n) AS n, sum(waiting) AS waiting FROM (
SELECT variant, unixepoch(day) / 86400 AS day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions,
units AS n, 0 AS waiting FROM exposure_counts WHERE project = $project() AND experiment_id = $experiment() AND iteration = $iteration()
UNION ALL SELECT e.variant, unixepoch(substr(e.exposed_at, 1, 10)) / 86400, coalesce(e.device, ''), coalesce(e.country, ''), coalesce(e.region, ''),
coalesce(e.browser, ''), coalesce(e.referrer_host, ''), coalesce(e.visitor_type, ''), coalesce(e.logged_in, ''), coalesce(e.fallback, ''),
coalesce(e.versions, '{}'), -1, 0 FROM slow s CROSS JOIN exposures e ON e.id = s.id WHERE e.unit = 'visitor'
UNION ALL SELECT variant, day, coalesce(device, ''), coalesce(country, ''), coalesce(region, ''), coalesce(browser, ''), coalesce(referrer_host, ''),
coalesce(visitor_type, ''), coalesce(logged_in, ''), coalesce(fallback, ''), coalesce(versions, '{}'), 1,
CASE WHEN ms + $window() > $now() THEN 1 ELSE 0 END FROM people WHERE crossed = 0
UNION ALL SELECT e.variant, unixepoch(substr(e.exposed_at, 1, 10)) / 86400, coalesce(e.device, ''), coalesce(e.country, ''), coalesce(e.region, ''),
coalesce(e.browser, ''), coalesce(e.referrer_host, ''), coalesce(e.visitor_type, ''), coalesce(e.logged_in, ''), coalesce(e.fallback, ''),
coalesce(e.versions, '{}'), -(e.exposed_at > $now_text()), e.exposed_at <= $now_text() FROM exposures e
WHERE e.project = $project() AND e.experiment_id = $experiment() AND e.iteration = $iteration() AND e.exposed_at > $waiting_since()
AND e.unit = 'visitor' AND e.id NOT IN (SELECT id FROM slow))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
