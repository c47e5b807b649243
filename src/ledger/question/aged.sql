, aged AS (
SELECT variant, unit, $idiv(ms, 86400000) - day AS age, $count_if(mine = 1) AS number,
sum(CASE WHEN mine = 1 THEN net ELSE 0 END) AS worth, $count_if(theirs = 1) AS d
FROM priced WHERE (mine = 1 OR theirs = 1) AND other = 0 AND inside = 1 AND waits = 0 AND $idiv(ms, 86400000) < $idiv($now(), 86400000)
GROUP BY variant, unit, $idiv(ms, 86400000) - day)
