SELECT json_array(e.at, hex(e.id), 'v ' || e.visitor, v.id, 0, e.exposed_at, nullif(s.device, ''), nullif(s.country, ''), nullif(s.visitor_type, ''),
c.conversion_event, c.value_minor, c.currency, c.transaction_id, c.converted_at, c.channel) FROM (
SELECT e.* FROM (SELECT e.at, e.id, e.variant_no, e.segment_no, e.unit, $unpacked(e.unit) AS visitor,
strftime('%Y-%m-%dT%H:%M:%S', e.at / 1000, 'unixepoch') || printf('.%03dZ', e.at % 1000) AS exposed_at FROM exposed e
WHERE e.iteration_no = $iteration_no() AND e.at >= CAST(?1 AS INTEGER) AND (e.at > CAST(?1 AS INTEGER) OR hex(e.id) > ?2) AND e.at <= $now() AND e.kind = 0) e
WHERE NOT EXISTS (SELECT 1 FROM identities i WHERE i.project = $project() AND i.anonymous_id = e.visitor)
AND NOT EXISTS (SELECT 1 FROM second_variants w WHERE w.iteration_no = $iteration_no() AND w.kind = 0 AND w.unit = e.unit AND w.id = e.id)
AND NOT EXISTS (SELECT 1 FROM doubled d WHERE d.iteration_no = $iteration_no() AND d.unit = e.unit)
AND NOT EXISTS (SELECT 1 FROM exposed o WHERE o.iteration_no = $iteration_no() AND o.kind > 0 AND coalesce(o.visitor, o.user_id) = e.unit AND o.visitor = e.unit)
ORDER BY e.at, hex(e.id) LIMIT ?3) e CROSS JOIN variants v ON v.number = e.variant_no CROSS JOIN segments s ON s.number = e.segment_no
LEFT JOIN conversions c ON c.project = $project() AND c.anonymous_id = e.visitor AND c.user_id IS NULL
AND c.converted_at >= e.exposed_at AND c.converted_at <= $now_text() ORDER BY e.at, hex(e.id), c.converted_at, c.id
