-- Incidents that began in a period and were not taken back, newest first.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {rule:String} (empty: all) {limit:UInt32}
SELECT
    incident_id, product_id, rule, rules_version, session_id, started_at, ended_at, screen, element, task, pillar, confidence,
    events, event_ids, thresholds, tags
FROM fact_incidents FINAL
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} AND day < {to:Date} AND state = 'found' AND ({rule:String} = '' OR rule = {rule:String})
ORDER BY started_at DESC, incident_id DESC
LIMIT {limit:UInt32};
