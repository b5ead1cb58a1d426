-- What each closed session adds to each way it went.
CREATE OR REPLACE VIEW fact_flows AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.id             AS flow_id,
    part.task           AS task,
    part.path           AS path,
    part.flows          AS flows,
    part.completed      AS completed,
    part.ended          AS ended,
    part.friction_micro AS friction_micro,
    part.duration_ms    AS duration_ms
FROM fact_sessions FINAL
ARRAY JOIN flows AS part
WHERE state = 'closed';
