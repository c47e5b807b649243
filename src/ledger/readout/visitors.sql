SELECT json_group_array(json_array(e.exposed_at, e.id, 'v ' || e.anonymous_id, e.variant, 0, e.device, e.country, e.visitor_type,
c.conversion_event, c.value_minor, c.currency, c.transaction_id, c.converted_at, c.channel)) FROM (
SELECT * FROM exposures e WHERE project = ?1 AND experiment_id = ?2 AND iteration = ?3 AND (exposed_at, id) > (?4, ?5) AND unit = 'visitor'
AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.project = ?1 AND i.anonymous_id = e.anonymous_id)
AND NOT EXISTS (SELECT 1 FROM contaminated c WHERE c.project = ?1 AND c.experiment_id = ?2 AND c.iteration = ?3 AND c.exposure_id = e.id)
AND NOT EXISTS (SELECT 1 FROM exposures o WHERE o.project = ?1 AND o.experiment_id = ?2 AND o.iteration = ?3
AND o.anonymous_id = e.anonymous_id AND o.unit <> 'visitor') ORDER BY exposed_at, id LIMIT ?6) e
LEFT JOIN conversions c ON c.project = ?1 AND c.anonymous_id = e.anonymous_id AND c.user_id IS NULL AND c.converted_at >= e.exposed_at
