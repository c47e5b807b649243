slow (kind, unit, id) AS MATERIALIZED (
SELECT kind, unit, id FROM exposed WHERE iteration_no = $iteration_no() AND kind > 0
UNION SELECT v.kind, v.unit, v.id FROM exposed e CROSS JOIN exposed v ON v.iteration_no = $iteration_no() AND v.kind = 0 AND v.unit = e.visitor
WHERE e.iteration_no = $iteration_no() AND e.kind > 0
UNION SELECT kind, unit, id FROM second_variants WHERE iteration_no = $iteration_no()
UNION SELECT e.kind, e.unit, e.id FROM doubled d CROSS JOIN exposed e ON e.iteration_no = $iteration_no() AND e.kind = 0 AND e.unit = d.unit
WHERE d.iteration_no = $iteration_no()
UNION SELECT e.kind, e.unit, e.id FROM identities i CROSS JOIN exposed e ON e.iteration_no = $iteration_no() AND e.kind = 0
AND e.unit = $packed(i.anonymous_id) WHERE i.project = $project()),
