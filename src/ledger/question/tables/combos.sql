SELECT row_number() OVER () AS combo, dense_rank() OVER (ORDER BY experiment_id, iteration) AS iteration_no,
CASE WHEN variant IS NOT NULL THEN dense_rank() OVER (ORDER BY variant) END AS variant_no, d.*,
CASE WHEN count(*) OVER (PARTITION BY combo_hash) > 1 THEN error('two parts of the audience have one hash') END AS sound
FROM (SELECT DISTINCT combo_hash, experiment_id, iteration, kind, variant, device, country, region, browser, referrer_host, visitor_type, logged_in, fallback, versions
FROM exposures e WHERE $chosen(e)) d
