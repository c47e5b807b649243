INSERT INTO exposures (id, project, experiment_id, iteration, variant, unit, unit_id, anonymous_id, user_id, reason, exposed_at,
config_revision, country, device, browser, visitor_type, region, referrer_host, logged_in, fallback, versions)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19,
value ->> 20 FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET variant = excluded.variant, anonymous_id = excluded.anonymous_id, user_id = excluded.user_id,
reason = excluded.reason, exposed_at = excluded.exposed_at, config_revision = excluded.config_revision, country = excluded.country,
device = excluded.device, browser = excluded.browser, visitor_type = excluded.visitor_type, region = excluded.region,
referrer_host = excluded.referrer_host, logged_in = excluded.logged_in, fallback = excluded.fallback, versions = excluded.versions
WHERE (excluded.exposed_at, excluded.variant, coalesce(excluded.anonymous_id, ''), coalesce(excluded.user_id, ''), excluded.config_revision)
< (exposures.exposed_at, exposures.variant, coalesce(exposures.anonymous_id, ''), coalesce(exposures.user_id, ''), exposures.config_revision)
