, outcomes AS $materialized() (
SELECT co.id, co.name, co.ms, co.value, co.currency, co.transaction_id, co.properties, co.visitor AS visitor, co.session_id,
CASE WHEN co.experiment_id = $experiment() THEN co.variant END AS claimed,
coalesce('u ' || co.user_id, 'u ' || o.owner, 'v ' || co.visitor) AS person
FROM settled co LEFT JOIN owners o ON o.visitor = co.visitor WHERE co.refund_of IS NULL AND co.name IN ($names()))
