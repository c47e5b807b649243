, page AS MATERIALIZED (SELECT * FROM people WHERE unit > ?1 ORDER BY unit LIMIT ?2),
theirs AS (
SELECT p.unit, c.* FROM page p CROSS JOIN conversions c ON c.project = $project() AND c.user_id = substr(p.person, 3) WHERE p.person LIKE 'u %'
UNION ALL
SELECT p.unit, c.* FROM page p CROSS JOIN identities j ON j.project = $project() AND j.user_id = substr(p.person, 3)
CROSS JOIN conversions c ON c.project = $project() AND c.anonymous_id = j.anonymous_id
WHERE p.person LIKE 'u %' AND c.user_id IS NULL AND j.user_id = (SELECT i.user_id FROM identities i
WHERE i.project = $project() AND i.anonymous_id = j.anonymous_id AND i.identified_at <= $now_text() ORDER BY i.identified_at, i.user_id LIMIT 1)
UNION ALL
SELECT p.unit, c.* FROM page p CROSS JOIN conversions c ON c.project = $project() AND c.anonymous_id = substr(p.person, 3)
WHERE p.person LIKE 'v %' AND c.user_id IS NULL)
SELECT json_array(p.unit, '', p.unit, CASE WHEN p.crossed = 0 THEN p.variant END, p.crossed,
strftime('%Y-%m-%dT%H:%M:%S', p.ms / 1000, 'unixepoch') || printf('.%03dZ', p.ms % 1000), p.device, p.country, p.visitor_type,
c.conversion_event, c.value_minor, c.currency, c.transaction_id, c.converted_at, c.channel)
FROM page p LEFT JOIN theirs c ON c.unit = p.unit AND $millis(c.converted_at) >= p.ms AND c.converted_at <= $now_text()
AND (p.kind <> 'session' OR c.session_id = p.session_id OR (c.session_id IS NULL
AND $millis(c.converted_at) <= (SELECT s.last_ms FROM spans s WHERE s.session_id = p.session_id)))
ORDER BY p.unit, c.converted_at, c.id
