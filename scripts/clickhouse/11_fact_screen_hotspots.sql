-- What each closed session adds to each of its screens: sums and counts, of which means are made when they are read.
CREATE OR REPLACE VIEW fact_screen_hotspots AS
SELECT
    org_id, product_id, day, session_id, actor_slot,
    part.screen           AS screen,
    part.visits           AS visits,
    part.dwell_ms         AS dwell_ms,
    part.friction_micro   AS friction_micro,
    part.rage_sessions    AS rage_sessions,
    part.exits            AS exits,
    part.incidents        AS incidents,
    part.efficiency_micro AS efficiency_micro,
    part.rated            AS rated
FROM fact_sessions FINAL
ARRAY JOIN screens AS part
WHERE state = 'closed';
