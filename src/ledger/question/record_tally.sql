, tally AS MATERIALIZED (
SELECT v.id AS variant, t.day, s.device, s.country, s.region, s.browser, s.referrer_host, s.visitor_type, s.logged_in, s.fallback, s.versions,
t.n, t.waiting FROM (SELECT variant_no, segment_no, day, sum(n) AS n, sum(waiting) AS waiting FROM (
SELECT variant_no, segment_no, day, units AS n, 0 AS waiting FROM exposed_counts WHERE iteration_no = $iteration_no()
UNION ALL SELECT e.variant_no, e.segment_no, e.at / 86400000, -1, 0 FROM slow s CROSS JOIN exposed e
ON e.iteration_no = $iteration_no() AND e.kind = s.kind AND e.unit = s.unit AND e.id = s.id WHERE e.kind = 0
UNION ALL SELECT e.variant_no, e.segment_no, e.at / 86400000, -(e.at > $now()), e.at <= $now() FROM exposed e
WHERE e.iteration_no = $iteration_no() AND e.at > $now() - $window() AND e.kind = 0 AND (e.unit, e.id) NOT IN (SELECT unit, id FROM slow WHERE kind = 0)) t
GROUP BY variant_no, segment_no, day) t CROSS JOIN variants v ON v.number = t.variant_no CROSS JOIN segments s ON s.number = t.segment_no
UNION ALL SELECT variant, day, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions, 1,
CASE WHEN ms + $window() > $now() THEN 1 ELSE 0 END FROM people WHERE crossed = 0)
