, raw AS (SELECT s.*, CASE WHEN number > 0 THEN 1 ELSE 0 END AS converted, $y(number, worth) AS y0, $x(number_before, worth_before) AS x0 FROM sums s),
bound AS $materialized() ($cap()),
contributions AS $held() (
SELECT r.*, CASE WHEN y0 > bound.cap THEN bound.cap ELSE y0 END AS y, CASE WHEN x0 > bound.cap THEN bound.cap ELSE x0 END AS x FROM raw r CROSS JOIN bound $many())
