, settled AS $materialized() (
SELECT * FROM (
SELECT t.*, row_number() OVER (PARTITION BY id ORDER BY from_page, ms, CASE WHEN value IS NULL THEN 0 ELSE 1 END, coalesce(value, 0),
$binary(coalesce(currency, '')), $binary(coalesce(visitor, '')), $binary(coalesce(user_id, '')), $binary(config_revision)$then(properties)) AS nth
FROM told t WHERE type = 'experiment_converted') co WHERE nth = 1 AND ms <= $now())
