SELECT 'experiment_converted' AS type, id, anonymous_id AS visitor, user_id, session_id, experiment_id, variant, config_revision, conversion_event AS name, value, currency,
transaction_id, refund_of, CASE channel WHEN 'page' THEN 1 ELSE 0 END AS from_page, properties, $millis(converted_at) AS ms, hash(id) AS id_hash
FROM $events() WHERE project = $project() AND type = 'experiment_converted'
