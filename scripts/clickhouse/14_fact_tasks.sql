-- What each closed session adds to each of its tasks.
CREATE OR REPLACE VIEW fact_tasks AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.task      AS task,
    part.started   AS started,
    part.completed AS completed,
    part.cancelled AS cancelled,
    part.abandoned AS abandoned
FROM fact_sessions FINAL
ARRAY JOIN tasks AS part
WHERE state = 'closed';
