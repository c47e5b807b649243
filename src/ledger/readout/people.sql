WITH slow (id) AS MATERIALIZED (
SELECT id FROM exposures WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 AND unit <> 'visitor'
UNION SELECT v.id FROM exposures e CROSS JOIN exposures v ON v.project = ?1 AND v.experiment_id = ?2 AND v.iteration = ?3
AND v.anonymous_id = e.anonymous_id WHERE e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3 AND e.unit <> 'visitor'
UNION SELECT exposure_id FROM contaminated WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3
UNION SELECT e.id FROM identities i CROSS JOIN exposures e ON e.project = ?1 AND e.experiment_id = ?2 AND e.iteration = ?3
AND e.anonymous_id = i.anonymous_id WHERE i.project = ?1),
met AS (SELECT e.variant, e.exposed_at, json_array(e.exposed_at, e.device, e.country, e.visitor_type) AS first,
EXISTS (SELECT 1 FROM contaminated c WHERE c.project = ?1 AND c.experiment_id = ?2 AND c.iteration = ?3 AND c.exposure_id = e.id) AS crossed,
CASE e.unit WHEN 'user' THEN 'u ' || e.unit_id ELSE coalesce('u ' || (SELECT i.user_id FROM identities i
WHERE i.project = ?1 AND i.anonymous_id = e.anonymous_id ORDER BY i.identified_at, i.user_id LIMIT 1), 'v ' || e.anonymous_id) END AS person
FROM slow s CROSS JOIN exposures e ON e.id = s.id),
people AS MATERIALIZED (SELECT person, min(variant) AS variant, min(exposed_at) AS exposed_at, min(first) AS first,
max(crossed) OR min(variant) <> max(variant) AS crossed FROM met GROUP BY person)
