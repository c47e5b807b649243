SELECT 'experiment_exposed' AS type, id, anonymous_id AS visitor, user_id, session_id, experiment_id, iteration, variant, unit AS kind, config_revision,
device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions, $millis(exposed_at) AS ms,
hash(experiment_id, iteration, unit, variant, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions) AS combo_hash
FROM $events() WHERE project = $project() AND type = 'experiment_exposed'
