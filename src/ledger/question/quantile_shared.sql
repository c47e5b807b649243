, ordered AS $materialized() (
SELECT unit, variant, net FROM priced $many() WHERE mine = 1 AND other = 0 AND inside = 1 AND waits = 0 AND value IS NOT NULL),
wanted AS $materialized() (SELECT value ->> 0 AS variant, value ->> 1 AS quantile FROM json_each(?1)),
shares AS $materialized() (
SELECT o.unit AS unit, min(o.variant) AS variant, $count_if(o.net <= w.quantile) AS y, count(*) AS d
FROM ordered o JOIN wanted w ON w.variant = o.variant GROUP BY o.unit),
spread AS (
SELECT variant, $sum((1000 * y - $share() * d) * (1000 * y - $share() * d)) AS reach FROM shares GROUP BY variant),
bound AS (SELECT CAST(NULL AS $integer()) AS cap),
contributions AS $materialized() (
SELECT s.unit AS unit, s.variant AS variant, s.day AS day, s.device AS device, s.country AS country, s.region AS region, s.browser AS browser, s.referrer_host AS referrer_host, s.visitor_type AS visitor_type, s.logged_in AS logged_in, s.fallback AS fallback, s.versions AS versions,
1 AS converted, sh.y AS y, sh.d AS d, 0 AS x FROM shares sh JOIN sums s ON s.unit = sh.unit)
