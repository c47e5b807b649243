, priced AS NOT MATERIALIZED (
SELECT hi.unit, '' AS variant, hi.ms, hi.met, hi.value, hi.currency, CASE WHEN hi.contradicts THEN 'another' END AS claimed, 1 AS mine, 0 AS earlier, $other(hi) AS other
FROM all_hits hi WHERE hi.ms >= hi.met AND hi.name = $event() AND $where(hi.properties)),
values_found AS MATERIALIZED (
SELECT coalesce(currency, '') AS currency, other, count(*) AS n FROM priced WHERE value IS NOT NULL AND $money() GROUP BY coalesce(currency, ''), other),
sums AS NOT MATERIALIZED (SELECT unit, cell, $column(number) AS number, $column(worth) AS worth, $column(d) AS d,
$column(number_before) AS number_before, $column(worth_before) AS worth_before FROM by_unit)
