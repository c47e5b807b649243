, owners AS $materialized() (
SELECT visitor, user_id AS owner FROM (
SELECT visitor, user_id, row_number() OVER (PARTITION BY visitor ORDER BY ms, $binary(user_id)) AS nth
FROM told WHERE visitor IS NOT NULL AND user_id IS NOT NULL AND ms <= $now()) o WHERE nth = 1)
