, aged AS NOT MATERIALIZED (
SELECT c.variant AS variant, a.age AS age, a.number AS number, a.worth AS worth, a.d AS d FROM (
SELECT cell, age, $column(number) AS number, $column(worth) AS worth, $column(d) AS d FROM by_age WHERE age BETWEEN 0 AND 27) a
JOIN combos c ON c.combo = $combo(a.cell) WHERE a.number > 0 OR a.d > 0)
