CREATE VIEW events AS
SELECT type, id, project, config_revision, "at" AS seen_at, anonymous_id, user_id, session_id, experiment_id, iteration, variant,
       coalesce(unit, 'visitor') AS unit, exposed_at, request ->> '$.device' AS device, request ->> '$.country' AS country,
       request ->> '$.region' AS region, request ->> '$.browser' AS browser, request ->> '$.referrer_host' AS referrer_host,
       request ->> '$.visitor_type' AS visitor_type, request ->> '$.logged_in' AS logged_in,
       CASE WHEN fallback THEN 'true' END AS fallback, CAST(versions AS VARCHAR) AS versions, conversion_event,
       CAST(value * CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI',
                                           'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1
                         WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000
                         WHEN currency IN ('CLF', 'UYW') THEN 10000 ELSE 100 END AS BIGINT) AS value,
       currency, transaction_id, refund_of, converted_at, channel, properties
FROM read_ndjson('events/*/*/*.ndjson', columns = {
  type: 'VARCHAR', id: 'VARCHAR', project: 'VARCHAR', config_revision: 'VARCHAR', 'at': 'VARCHAR',
  anonymous_id: 'VARCHAR', user_id: 'VARCHAR', session_id: 'VARCHAR', experiment_id: 'VARCHAR', iteration: 'INTEGER',
  variant: 'VARCHAR', unit: 'VARCHAR', exposed_at: 'VARCHAR', request: 'JSON', versions: 'JSON', fallback: 'BOOLEAN',
  conversion_event: 'VARCHAR', value: 'DECIMAL(18, 4)', currency: 'VARCHAR', transaction_id: 'VARCHAR',
  refund_of: 'VARCHAR', converted_at: 'VARCHAR', channel: 'VARCHAR', properties: 'JSON'});
