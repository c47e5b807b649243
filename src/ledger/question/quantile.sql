, ordered AS $materialized() (
SELECT unit, variant, net, row_number() OVER (PARTITION BY variant ORDER BY net) AS nth, count(*) OVER (PARTITION BY variant) AS n
FROM priced $many() WHERE mine = 1 AND other = 0 AND inside = 1 AND waits = 0 AND value IS NOT NULL),
wanted AS $materialized() (
SELECT variant, min(net) AS quantile, min(nth) AS place, min(n) AS n FROM ordered WHERE nth = $rank(n) GROUP BY variant),
shares AS $materialized() (
SELECT o.unit, min(o.variant) AS variant, sum(CASE WHEN o.net <= w.quantile THEN 1 ELSE 0 END) AS y, count(*) AS d
FROM ordered o JOIN wanted w ON w.variant = o.variant GROUP BY o.unit),
spread AS (
SELECT variant, 1 + $reach($sum((1000 * y - $share() * d) * (1000 * y - $share() * d))) AS reach FROM shares GROUP BY variant),
ranks AS (
SELECT o.variant, o.net AS value, min(o.nth) AS first_nth, max(o.nth) AS last_nth FROM ordered o JOIN wanted w ON w.variant = o.variant
JOIN spread s ON s.variant = o.variant WHERE o.nth BETWEEN w.place - s.reach AND w.place + s.reach GROUP BY o.variant, o.net),
cap AS (SELECT CAST(NULL AS $integer()) AS cap),
contributions AS $materialized() (
SELECT s.unit, s.variant, s.day, s.device, s.country, s.region, s.browser, s.referrer_host, s.visitor_type, s.logged_in, s.fallback, s.versions,
1 AS converted, h.y, h.d, 0 AS x FROM shares h JOIN sums s ON s.unit = h.unit)
