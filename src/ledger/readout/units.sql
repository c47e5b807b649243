, parts AS MATERIALIZED (SELECT day, variant, device, country, visitor_type, sum(units) AS units FROM (
SELECT day, variant, device, country, visitor_type, units FROM exposure_counts WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3
UNION ALL SELECT substr(e.exposed_at, 1, 10), e.variant, coalesce(e.device, ''), coalesce(e.country, ''), coalesce(e.visitor_type, ''), -1
FROM slow s CROSS JOIN exposures e ON e.id = s.id WHERE e.unit = 'visitor'
UNION ALL SELECT substr(exposed_at, 1, 10), variant, coalesce(first ->> 1, ''), coalesce(first ->> 2, ''), coalesce(first ->> 3, ''), 1
FROM people WHERE NOT crossed) GROUP BY 1, 2, 3, 4, 5)
SELECT json_array(dimension, part, variant, units) FROM (
SELECT k.value AS dimension, CASE k.value WHEN 'day' THEN day WHEN 'device' THEN device WHEN 'country' THEN country ELSE visitor_type END AS part,
variant, sum(units) AS units FROM json_each('["day","device","country","visitor_type"]') k CROSS JOIN parts GROUP BY 1, 2, 3
UNION ALL SELECT 'contaminated', '', '', count(*) FROM people WHERE crossed)
