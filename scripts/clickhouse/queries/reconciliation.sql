-- What the tables say about each other, per day. `events` should be what the counters say (`tribo counters`); the last two columns
-- are 0 once everything that was announced has arrived, on days whose incidents all lie in closed sessions.
-- {org:String} {from:Date} {to:Date} (exclusive)
WITH
    listed AS (
        SELECT DISTINCT arrayJoin(incident_ids) AS incident_id, day
        FROM fact_sessions FINAL
        WHERE org_id = {org:String} AND day >= {from:Date} AND day < {to:Date} AND state = 'closed'
    ),
    found AS (
        SELECT incident_id, day
        FROM fact_incidents FINAL
        WHERE org_id = {org:String} AND day >= {from:Date} AND day < {to:Date} + 1 AND state = 'found'
    )
SELECT
    day,
    sum(events) AS events,
    sum(sessions) AS sessions,
    sum(session_events) AS session_events,
    sum(superseded) AS superseded,
    sum(incidents) AS incidents,
    sum(unannounced) AS incidents_not_announced,
    sum(unlisted) AS incidents_in_no_closed_session
FROM (
    SELECT day, uniqExact(event_id) AS events, 0 AS sessions, 0 AS session_events, 0 AS superseded, 0 AS incidents,
        0 AS unannounced, 0 AS unlisted
    FROM events_raw FINAL
    WHERE org_id = {org:String} AND day >= {from:Date} AND day < {to:Date}
    GROUP BY day
    UNION ALL
    SELECT day, 0, countIf(state = 'closed'), sumIf(s.events, state = 'closed'), countIf(state = 'superseded'),
        sumIf(s.incidents, state = 'closed'), 0, 0
    FROM fact_sessions AS s FINAL
    WHERE org_id = {org:String} AND day >= {from:Date} AND day < {to:Date}
    GROUP BY day
    UNION ALL
    SELECT day, 0, 0, 0, 0, 0, count(), 0
    FROM listed
    WHERE incident_id NOT IN (SELECT incident_id FROM found)
    GROUP BY day
    UNION ALL
    SELECT day, 0, 0, 0, 0, 0, 0, count()
    FROM found
    WHERE day < {to:Date} AND incident_id NOT IN (SELECT incident_id FROM listed)
    GROUP BY day
)
GROUP BY day
ORDER BY day;
