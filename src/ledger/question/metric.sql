, marks AS (
SELECT h.*, CASE WHEN h.name = $event() AND $where(h.properties) THEN 1 ELSE 0 END AS mine,
CASE WHEN h.name = $per() AND $where_per(h.properties) THEN 1 ELSE 0 END AS theirs,
$other(h) AS other,
CASE WHEN h.ms < h.met THEN 1 ELSE 0 END AS earlier,
CASE WHEN $inside(h) THEN 1 ELSE 0 END AS inside,
CASE WHEN h.met + $window() > $now() THEN 1 ELSE 0 END AS waits FROM hits h),
priced AS $materialized() (SELECT m.*, $net(m) AS net FROM marks m $back()),
sums AS $materialized() (
SELECT unit, min(variant) AS variant, min(day) AS day, min(device) AS device, min(country) AS country, min(region) AS region,
min(browser) AS browser, min(referrer_host) AS referrer_host, min(visitor_type) AS visitor_type, min(logged_in) AS logged_in,
min(fallback) AS fallback, min(versions) AS versions,
sum(CASE WHEN mine = 1 AND other = 0 AND inside = 1 THEN 1 ELSE 0 END) AS number,
sum(CASE WHEN mine = 1 AND other = 0 AND inside = 1 THEN net ELSE 0 END) AS worth,
sum(CASE WHEN theirs = 1 AND other = 0 AND inside = 1 THEN 1 ELSE 0 END) AS d,
sum(CASE WHEN mine = 1 AND other = 0 AND earlier = 1 THEN 1 ELSE 0 END) AS number_before,
sum(CASE WHEN mine = 1 AND other = 0 AND earlier = 1 THEN net ELSE 0 END) AS worth_before
FROM priced $many() WHERE waits = 0 GROUP BY unit),
values_found AS $materialized() (
SELECT coalesce(currency, '') AS currency, other, count(*) AS n FROM priced
WHERE mine = 1 AND earlier = 0 AND value IS NOT NULL AND $money() GROUP BY coalesce(currency, ''), other)
