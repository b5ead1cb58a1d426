-- What each closed session adds to each step from one screen to the next; `^` is the entry and `$` the exit.
-- A screen whose own name is `^` or `$`, or begins with `\`, has a `\` before it.
CREATE OR REPLACE VIEW fact_flow_steps AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.from           AS screen_from,
    part.to             AS screen_to,
    part.steps          AS steps,
    part.gap_ms         AS gap_ms,
    part.friction_micro AS friction_micro
FROM fact_sessions FINAL
ARRAY JOIN steps AS part
WHERE state = 'closed';
