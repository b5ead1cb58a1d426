-- What each closed session adds to each pillar that was seen in it.
CREATE OR REPLACE VIEW fact_pillars AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.pillar    AS pillar,
    part.caused    AS caused,
    part.prevented AS prevented
FROM fact_sessions FINAL
ARRAY JOIN pillars AS part
WHERE state = 'closed';
