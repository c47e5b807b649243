INSERT INTO second_variants (iteration_no, kind, unit, id, variant_no, first_at)
SELECT x.iteration_no, x.kind, x.unit, x.id, v.number, $millis(e.value ->> 7)
FROM $rows() e CROSS JOIN iterations i ON i.project = e.value ->> 1 AND i.experiment_id = e.value ->> 2 AND i.iteration = e.value ->> 3
CROSS JOIN exposed x ON x.iteration_no = i.number AND x.kind = $kind(e.value ->> 5) AND x.unit = $packed(e.value ->> 6) AND x.id = $digits(e.value ->> 0)
CROSS JOIN variants v ON v.id = e.value ->> 4 WHERE x.variant_no <> v.number
ON CONFLICT DO UPDATE SET first_at = excluded.first_at WHERE excluded.first_at < second_variants.first_at
