-- Closed sessions that began in a period, newest first.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {limit:UInt32}
SELECT
    session_id, product_id, revision, started_at, ended_at, events, incidents, active_ms,
    friction_micro / 1e6 AS friction, friction_tier,
    efficiency_micro / 1e6 AS efficiency,
    path
FROM fact_sessions FINAL
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} AND day < {to:Date} AND state = 'closed'
ORDER BY started_at DESC, session_id DESC
LIMIT {limit:UInt32};
