-- Where flows on one way stopped, screen by screen, as far as at least 5 actors came.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {flow:String}
WITH (
    SELECT (any(task), any(path))
    FROM fact_flows
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date} AND flow_id = {flow:String}
) AS way
SELECT
    at,
    way.2[at] AS screen,
    sum(f.flows) AS flows,
    round(sumIf(f.flows - f.completed, length(f.path) = at) / flows, 6) AS rate
FROM (
    -- One row for each screen that a flow of the same task reached.
    SELECT path, flows, completed, actor_slot, arrayJoin(range(1, length(path) + 1)) AS at
    FROM fact_flows
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date} AND task = way.1
) AS f
WHERE at <= length(way.2) AND arraySlice(f.path, 1, at) = arraySlice(way.2, 1, at)
GROUP BY at
HAVING uniqExact(f.actor_slot) >= 5
ORDER BY at;
