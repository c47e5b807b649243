, some AS MATERIALIZED (SELECT * FROM people WHERE person > ?4 ORDER BY person LIMIT ?5),
told AS (SELECT c.*, 'u ' || c.user_id AS person FROM some s CROSS JOIN conversions c ON c.project = ?1 AND c.user_id = substr(s.person, 3)
WHERE s.person LIKE 'u %'
UNION ALL SELECT c.*, 'u ' || coalesce((SELECT i.user_id FROM identities i WHERE i.project = ?1 AND i.anonymous_id = c.anonymous_id
AND i.identified_at <= c.converted_at ORDER BY i.identified_at DESC, i.user_id LIMIT 1), (SELECT i.user_id FROM identities i
WHERE i.project = ?1 AND i.anonymous_id = c.anonymous_id ORDER BY i.identified_at, i.user_id LIMIT 1))
FROM (SELECT DISTINCT j.anonymous_id FROM some s CROSS JOIN identities j ON j.project = ?1 AND j.user_id = substr(s.person, 3)
WHERE s.person LIKE 'u %') a CROSS JOIN conversions c ON c.project = ?1 AND c.anonymous_id = a.anonymous_id WHERE c.user_id IS NULL
UNION ALL SELECT c.*, s.person FROM some s CROSS JOIN conversions c ON c.project = ?1 AND c.anonymous_id = substr(s.person, 3)
WHERE s.person LIKE 'v %' AND c.user_id IS NULL)
SELECT json_group_array(json_array('', s.person, s.person, CASE WHEN NOT s.crossed THEN s.variant END, s.crossed, s.first ->> 1, s.first ->> 2, s.first ->> 3,
c.conversion_event, c.value_minor, c.currency, c.transaction_id, c.converted_at, c.channel, s.exposed_at)) FROM some s
LEFT JOIN told c ON c.person = s.person AND c.converted_at >= s.exposed_at
