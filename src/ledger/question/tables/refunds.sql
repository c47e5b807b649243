SELECT refund_of AS transaction_id, coalesce(currency, '') AS currency, sum(abs(value)) AS amount, list({'amount': abs(value), 'ms': ms}) AS parts
FROM settled WHERE refund_of IS NOT NULL AND value IS NOT NULL GROUP BY ALL
