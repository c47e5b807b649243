, told AS $scanned() (
SELECT type, id, anonymous_id AS visitor, user_id, session_id, experiment_id, iteration, variant, unit AS kind, config_revision,
conversion_event AS name, value, currency, transaction_id, refund_of, CASE channel WHEN 'page' THEN 1 ELSE 0 END AS from_page, properties,
device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions,
CASE type WHEN 'experiment_exposed' THEN $millis(exposed_at) WHEN 'experiment_converted' THEN $millis(converted_at) ELSE $millis(seen_at) END AS ms
FROM $events() WHERE project = $project() AND type IN ('experiment_exposed', 'experiment_converted', 'identified'))
