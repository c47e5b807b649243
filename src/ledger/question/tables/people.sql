SELECT t.unit AS unit, t.first // ($last_combo() + 1) AS ms, $cell(t.first // ($last_combo() + 1), t.first & $last_combo()) AS cell, t.crossed AS crossed $person_of(t)
FROM $met() t ANTI JOIN odd o ON o.iteration_no = t.iteration_no AND o.unit = t.unit
UNION ALL SELECT unit, ms, $cell(ms, combo), crossed = 1 $person_of(p) FROM odd_people p WHERE $by_session()
