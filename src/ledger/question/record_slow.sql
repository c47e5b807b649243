slow (id) AS MATERIALIZED (
SELECT id FROM exposures WHERE project = $project() AND experiment_id = $experiment() AND iteration = $iteration() AND unit <> 'visitor'
UNION SELECT v.id FROM exposures e CROSS JOIN exposures v ON v.project = $project() AND v.experiment_id = $experiment() AND v.iteration = $iteration()
AND v.anonymous_id = e.anonymous_id
WHERE e.project = $project() AND e.experiment_id = $experiment() AND e.iteration = $iteration() AND e.unit <> 'visitor'
UNION SELECT exposure_id FROM contaminated WHERE project = $project() AND experiment_id = $experiment() AND iteration = $iteration()
UNION SELECT e.id FROM identities i CROSS JOIN exposures e ON e.project = $project() AND e.experiment_id = $experiment()
AND e.iteration = $iteration() AND e.anonymous_id = i.anonymous_id WHERE i.project = $project()),
