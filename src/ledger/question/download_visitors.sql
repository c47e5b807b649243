SELECT json_array(e.exposed_at, e.id, 'v ' || e.anonymous_id, e.variant, 0, e.exposed_at, e.device, e.country, e.visitor_type,
c.conversion_event, c.value_minor, c.currency, c.transaction_id, c.converted_at, c.channel) FROM (
SELECT * FROM exposures e WHERE project = $project() AND experiment_id = $experiment() AND iteration = $iteration()
AND (exposed_at, id) > (?1, ?2) AND exposed_at <= $now_text() AND unit = 'visitor'
AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.project = $project() AND i.anonymous_id = e.anonymous_id)
AND NOT EXISTS (SELECT 1 FROM contaminated c WHERE c.project = $project() AND c.experiment_id = $experiment() AND c.iteration = $iteration()
AND c.exposure_id = e.id)
AND NOT EXISTS (SELECT 1 FROM exposures o WHERE o.project = $project() AND o.experiment_id = $experiment() AND o.iteration = $iteration()
AND o.anonymous_id = e.anonymous_id AND o.unit <> 'visitor') ORDER BY exposed_at, id LIMIT ?3) e
LEFT JOIN conversions c ON c.project = $project() AND c.anonymous_id = e.anonymous_id AND c.user_id IS NULL
AND c.converted_at >= e.exposed_at AND c.converted_at <= $now_text() ORDER BY e.exposed_at, e.id, c.converted_at, c.id
