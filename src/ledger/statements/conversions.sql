INSERT INTO conversions (id, project, conversion_event, value_minor, currency, transaction_id, refund_of, anonymous_id, user_id,
experiment_id, variant, converted_at, channel, config_revision, properties, session_id, precedence)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, '' FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET project = excluded.project, conversion_event = excluded.conversion_event,
value_minor = excluded.value_minor, currency = excluded.currency, transaction_id = excluded.transaction_id, refund_of = excluded.refund_of,
anonymous_id = excluded.anonymous_id, user_id = excluded.user_id, experiment_id = excluded.experiment_id, variant = excluded.variant,
converted_at = excluded.converted_at, channel = excluded.channel, config_revision = excluded.config_revision,
properties = excluded.properties, session_id = excluded.session_id
WHERE (excluded.channel = 'page', excluded.converted_at, excluded.value_minor IS NOT NULL, coalesce(excluded.value_minor, 0),
coalesce(excluded.currency, ''), coalesce(excluded.anonymous_id, ''), coalesce(excluded.user_id, ''), excluded.config_revision, excluded.properties)
< (conversions.channel = 'page', conversions.converted_at, conversions.value_minor IS NOT NULL, coalesce(conversions.value_minor, 0),
coalesce(conversions.currency, ''), coalesce(conversions.anonymous_id, ''), coalesce(conversions.user_id, ''), conversions.config_revision,
conversions.properties)
