-- Screens by mean friction times sessions, with their trend against the period of the same length right before; screens of at
-- least 5 actors and of `sessions_min` sessions.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive) {sessions_min:UInt32} {limit:UInt32}
WITH toUInt64(dateDiff('day', {from:Date}, {to:Date})) AS days
SELECT
    screen, sessions, avg_friction, impact, avg_efficiency, rage_click_rate, dropoff_rate, incidents, avg_time_spent_ms,
    if(has_previous, multiIf(
        avg_friction - previous >= least_change, 'up',
        previous - avg_friction >= least_change, 'down',
        'flat'), NULL) AS trend,
    if(has_previous, previous, NULL) AS previous_friction,
    if(has_previous, sessions_before, NULL) AS previous_sessions
FROM (
    SELECT
        screen,
        countIf(h.day >= {from:Date}) AS sessions,
        countIf(h.day < {from:Date}) AS sessions_before,
        uniqExactIf(h.actor_slot, h.day >= {from:Date}) AS actors,
        sumIf(h.friction_micro, h.day >= {from:Date}) AS friction_sum,
        round(friction_sum / sessions / 1e6, 6) AS avg_friction,
        friction_sum / 1e6 AS impact,
        sumIf(h.rated, h.day >= {from:Date}) AS rated,
        if(rated >= 5, round(sumIf(h.efficiency_micro, h.day >= {from:Date}) / rated / 1e6, 6), NULL) AS avg_efficiency,
        round(sumIf(h.rage_sessions, h.day >= {from:Date}) / sessions, 6) AS rage_click_rate,
        round(sumIf(h.exits, h.day >= {from:Date}) / sessions, 6) AS dropoff_rate,
        sumIf(h.incidents, h.day >= {from:Date}) AS incidents,
        sumIf(h.visits, h.day >= {from:Date}) AS visits,
        if(visits > 0, intDiv(sumIf(h.dwell_ms, h.day >= {from:Date}), visits), NULL) AS avg_time_spent_ms,
        round(sumIf(h.friction_micro, h.day < {from:Date}) / greatest(sessions_before, 1) / 1e6, 6) AS previous,
        uniqExactIf(h.actor_slot, h.day < {from:Date}) >= 5 AND sessions_before >= {sessions_min:UInt32} AS has_previous,
        greatest(0.005, previous * 0.1) AS least_change
    FROM fact_screen_hotspots AS h
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} - days AND day < {to:Date}
    GROUP BY screen
    HAVING actors >= 5 AND sessions >= {sessions_min:UInt32}
)
ORDER BY impact DESC, sessions DESC, screen
LIMIT {limit:UInt32};
