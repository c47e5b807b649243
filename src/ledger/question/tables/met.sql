SELECT iteration_no, unit, min(place) AS first, coalesce(min(variant_no) <> max(variant_no), false) AS crossed, min(id_hash) AS id_hash, $person_met()
min(id_hash) <> max(id_hash) OR bool_or(place IS NULL) OR $persons_differ()
OR (min(place) & $last_combo()) + (min(place_back) & $last_combo()) <> $last_combo() AS odd
FROM (SELECT iteration_no, unit, variant_no, id_hash, person, $place(combo) AS place, $place($last_combo() - combo) AS place_back FROM seen WHERE $by_session()) s
GROUP BY iteration_no, unit
