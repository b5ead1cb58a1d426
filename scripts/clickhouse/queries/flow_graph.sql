-- Steps from screen to screen, the most frequent first: steps of at least 5 actors. `dependency` is near 1 where one screen leads
-- to the other, and near 0 where people go to and fro.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {limit:UInt32}
WITH edges AS (
    SELECT
        screen_from, screen_to,
        count() AS sessions,
        sum(e.steps) AS steps,
        sum(e.gap_ms) AS gap_ms,
        sum(e.friction_micro) AS friction_micro,
        uniqExact(e.actor_slot) AS actors
    FROM fact_flow_steps AS e
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date}
    GROUP BY screen_from, screen_to
)
SELECT
    a.screen_from AS screen_from,
    a.screen_to AS screen_to,
    a.steps AS steps,
    a.sessions AS sessions,
    round((toInt64(a.steps) - toInt64(b.steps)) / (a.steps + b.steps + 1), 6) AS dependency,
    if(a.screen_from = '^' OR a.screen_to = '$', NULL, round(a.gap_ms / a.steps / 1000, 6)) AS avg_gap_sec,
    round(a.friction_micro / a.steps / 1e6, 6) AS avg_friction
FROM edges AS a
LEFT JOIN edges AS b ON b.screen_from = a.screen_to AND b.screen_to = a.screen_from
WHERE a.actors >= 5
ORDER BY steps DESC, screen_from, screen_to
LIMIT {limit:UInt32};
