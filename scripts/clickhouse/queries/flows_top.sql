-- The ways that most went: ways of at least 5 actors. `share` is of all flows, those that are left out among them.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {limit:UInt32}
SELECT
    flow_id, task, path, flows, sessions,
    round(flows / total, 6) AS share,
    completion_rate,
    round(friction, 6) AS avg_friction,
    round(duration_sec, 6) AS avg_duration_sec,
    round(flows * friction * (1 - coalesce(completion_rate, 0)), 6) AS impact
FROM (
    SELECT
        flow_id, any(f.task) AS task, any(f.path) AS path,
        count() AS sessions,
        sum(f.flows) AS flows,
        sum(f.friction_micro) / flows / 1e6 AS friction,
        sum(f.duration_ms) / flows / 1000 AS duration_sec,
        if(sum(f.ended) < flows, round(sum(f.completed) / flows, 6), NULL) AS completion_rate,
        uniqExact(f.actor_slot) AS actors,
        sum(flows) OVER () AS total
    FROM fact_flows AS f
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date}
    GROUP BY flow_id
)
WHERE actors >= 5
ORDER BY flows DESC, friction DESC, flow_id
LIMIT {limit:UInt32};
