SELECT visitor, user_id, ms FROM (
SELECT visitor, user_id, ms FROM exposures UNION ALL SELECT visitor, user_id, ms FROM reported UNION ALL
SELECT anonymous_id, user_id, $millis(seen_at) FROM $events() WHERE project = $project() AND type = 'identified') n
WHERE visitor IS NOT NULL AND user_id IS NOT NULL AND ms <= $now()
