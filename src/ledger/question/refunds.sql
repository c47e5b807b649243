, refunds AS $materialized() (
SELECT refund_of AS transaction_id, coalesce(currency, '') AS currency, $abs(value) AS amount, ms
FROM settled WHERE refund_of IS NOT NULL AND value IS NOT NULL)
