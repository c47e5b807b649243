SELECT c.iteration_no, c.combo, c.variant_no, hash(c.iteration_no, t.id) AS id_hash, coalesce(CASE t.kind WHEN 'session' THEN 's ' || t.session_id ELSE t.person END, '') AS unit, t.*
FROM (SELECT e.*, $person(e, o) AS person FROM exposures e LEFT JOIN owners o ON o.visitor = e.visitor WHERE e.ms <= $now() AND $chosen(e)) t
JOIN combos c ON c.combo_hash = t.combo_hash
