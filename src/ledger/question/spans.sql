, spans AS (
SELECT session_id, max(ms) AS last_ms FROM (
SELECT session_id, ms FROM exposed WHERE session_id IS NOT NULL
UNION ALL SELECT session_id, ms FROM settled WHERE session_id IS NOT NULL) s GROUP BY session_id)
