-- All sessions of a period and of the one of the same length right before; nothing about fewer than 5 actors.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive)
WITH toUInt64(dateDiff('day', {from:Date}, {to:Date})) AS days
SELECT
    if(day >= {from:Date}, 'now', 'previous') AS period,
    count() AS sessions,
    sum(s.events) AS events,
    sum(s.incidents) AS incidents,
    sum(s.active_ms) AS active_ms,
    sum(s.duration_ms) AS duration_ms,
    round(sum(s.friction_micro) / sessions / 1e6, 6) AS friction_index,
    (arraySort(groupArray(least(intDiv(s.friction_micro, 50000), 19)))[intDiv(sessions * 9 + 9, 10)] + 1) / 20 AS friction_p90,
    if(active_ms > 0, round(incidents / (active_ms / 60000), 6), NULL) AS friction_rate,
    round(countIf(s.friction_tier = 'high') / sessions, 6) AS frustrated_share,
    count(s.efficiency_micro) AS rated,
    if(rated >= 5, round(sum(s.efficiency_micro) / rated / 1e6, 6), NULL) AS efficiency_score,
    if(rated >= 5, rated, 0) AS efficiency_sessions
FROM fact_sessions AS s FINAL
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} - days AND day < {to:Date} AND state = 'closed'
GROUP BY period
HAVING uniqExact(actor_slot) >= 5
ORDER BY period;
