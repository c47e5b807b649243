, hits AS NOT MATERIALIZED (
SELECT hi.*, c.variant AS variant, $day(hi.cell) AS day, CASE WHEN hi.contradicts THEN '' END AS claimed
FROM all_hits hi JOIN combos c ON c.combo = $combo(hi.cell) WHERE hi.name = $event())
