SELECT unit, cell, CASE WHEN ms < met THEN -1 WHEN $idiv(ms, 86400000) >= $idiv($now(), 86400000) THEN 28
ELSE least(28, $idiv(ms, 86400000) - $idiv(met, 86400000)) END AS age, $columns()
FROM all_hits hi GROUP BY ALL
