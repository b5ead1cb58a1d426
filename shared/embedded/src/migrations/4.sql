-- Of events that share an owner, a time and an id, those with other bodies are told apart by their checksum at the door, so
-- that one of them can be struck out: then its body is empty.
ALTER TABLE session_events ADD COLUMN ck TEXT NOT NULL DEFAULT '';
UPDATE session_events SET ck = coalesce(json_extract(body, '$.ck'), '');
DROP INDEX session_events_by_owner;
CREATE UNIQUE INDEX session_events_by_owner ON session_events (owner, at, id, ck);
