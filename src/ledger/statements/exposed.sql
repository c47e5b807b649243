INSERT INTO exposed (iteration_no, kind, unit, id, at, variant_no, segment_no, revision_no, reason, visitor, user_id)
SELECT i.number, $kind(e.value ->> 5), $packed(e.value ->> 6), $digits(e.value ->> 0), $millis(e.value ->> 10), v.number, s.number, r.number,
CASE e.value ->> 9 WHEN 'split' THEN 0 WHEN 'sticky' THEN 1 WHEN 'reported' THEN 2 ELSE 3 END,
CASE e.value ->> 5 WHEN 'visitor' THEN NULL ELSE $packed(e.value ->> 7) END, CASE e.value ->> 5 WHEN 'user' THEN NULL ELSE $packed(e.value ->> 8) END
FROM $rows() e CROSS JOIN iterations i ON i.project = e.value ->> 1 AND i.experiment_id = e.value ->> 2 AND i.iteration = e.value ->> 3
CROSS JOIN variants v ON v.id = e.value ->> 4 CROSS JOIN revisions r ON r.id = e.value ->> 11
CROSS JOIN segments s ON s.country = coalesce(e.value ->> 12, '') AND s.device = coalesce(e.value ->> 13, '')
AND s.browser = coalesce(e.value ->> 14, '') AND s.visitor_type = coalesce(e.value ->> 15, '') AND s.region = coalesce(e.value ->> 16, '')
AND s.referrer_host = coalesce(e.value ->> 17, '') AND s.logged_in = coalesce(e.value ->> 18, '') AND s.fallback = coalesce(e.value ->> 19, '')
AND s.versions = coalesce(e.value ->> 20, '{}') WHERE true
ON CONFLICT (iteration_no, kind, unit, id) DO UPDATE SET at = excluded.at, variant_no = excluded.variant_no, segment_no = excluded.segment_no,
revision_no = excluded.revision_no, reason = excluded.reason, visitor = excluded.visitor, user_id = excluded.user_id
WHERE excluded.at <= exposed.at AND (excluded.at, (SELECT id FROM variants WHERE number = excluded.variant_no), coalesce($unpacked(excluded.visitor), ''),
coalesce($unpacked(excluded.user_id), ''), (SELECT id FROM revisions WHERE number = excluded.revision_no))
< (exposed.at, (SELECT id FROM variants WHERE number = exposed.variant_no), coalesce($unpacked(exposed.visitor), ''),
coalesce($unpacked(exposed.user_id), ''), (SELECT id FROM revisions WHERE number = exposed.revision_no))
