, ordered AS $materialized() (
SELECT unit, variant, net, row_number() OVER (PARTITION BY variant ORDER BY net) AS nth, count(*) OVER (PARTITION BY variant) AS n
FROM priced $many() WHERE mine = 1 AND other = 0 AND inside = 1 AND waits = 0 AND value IS NOT NULL),
wanted AS $materialized() (
SELECT variant, min(net) AS quantile, min(nth) AS place, min(n) AS n FROM ordered WHERE nth = $rank(n) GROUP BY variant),
shares AS $materialized() (
SELECT o.unit AS unit, min(o.variant) AS variant, $count_if(o.net <= w.quantile) AS y, count(*) AS d
FROM ordered o JOIN wanted w ON w.variant = o.variant GROUP BY o.unit),
spread AS (
SELECT variant, 1 + $reach($sum((1000 * y - $share() * d) * (1000 * y - $share() * d))) AS reach FROM shares GROUP BY variant),
ranks AS (
SELECT o.variant AS variant, o.net AS value, min(o.nth) AS first_nth, max(o.nth) AS last_nth FROM ordered o JOIN wanted w ON w.variant = o.variant
JOIN spread s ON s.variant = o.variant WHERE o.nth BETWEEN w.place - s.reach AND w.place + s.reach GROUP BY o.variant, o.net),
bound AS (SELECT CAST(NULL AS $integer()) AS cap),
contributions AS $held() (
SELECT s.unit AS unit, s.variant AS variant, s.day AS day, $parts_as(s),
1 AS converted, sh.y AS y, sh.d AS d, 0 AS x FROM shares sh JOIN sums s ON s.unit = sh.unit)
