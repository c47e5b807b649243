, marks AS (
SELECT hi.*, CASE WHEN hi.name = $event() AND $where(hi.properties) THEN 1 ELSE 0 END AS mine,
CASE WHEN hi.name = $per() AND $where_per(hi.properties) THEN 1 ELSE 0 END AS theirs,
$other(hi) AS other,
CASE WHEN hi.ms < hi.met THEN 1 ELSE 0 END AS earlier,
CASE WHEN $inside(hi) THEN 1 ELSE 0 END AS inside,
CASE WHEN hi.met + $window() > $now() THEN 1 ELSE 0 END AS waits FROM hits hi),
priced AS $materialized() (SELECT ma.*, $net(ma) AS net FROM marks ma $back()),
sums AS $materialized() (
SELECT unit, min(variant) AS variant, min(day) AS day, $least_parts(),
$count_if(mine = 1 AND other = 0 AND inside = 1) AS number,
sum(CASE WHEN mine = 1 AND other = 0 AND inside = 1 THEN net ELSE 0 END) AS worth,
$count_if(theirs = 1 AND other = 0 AND inside = 1) AS d,
$count_if(mine = 1 AND other = 0 AND earlier = 1) AS number_before,
sum(CASE WHEN mine = 1 AND other = 0 AND earlier = 1 THEN net ELSE 0 END) AS worth_before
FROM priced $many() WHERE waits = 0 GROUP BY unit),
values_found AS $materialized() (
SELECT coalesce(currency, '') AS currency, other, count(*) AS n FROM priced
WHERE mine = 1 AND earlier = 0 AND value IS NOT NULL AND $money() GROUP BY coalesce(currency, ''), other)
