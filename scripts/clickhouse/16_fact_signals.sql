-- What each closed session adds to each signal that was seen in it: incidents of a rule, and its part of the frustration score.
CREATE OR REPLACE VIEW fact_signals AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.signal         AS signal,
    part.incidents      AS incidents,
    part.friction_micro AS friction_micro
FROM fact_sessions FINAL
ARRAY JOIN signals AS part
WHERE state = 'closed';
