-- Names of amendments of cells, each of which is added once.
CREATE TABLE amendments (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX amendments_by_time ON amendments (at);
-- Who listens to a session's context from afar, what each was told, and who tells it now.
CREATE TABLE watches (
  connection TEXT PRIMARY KEY, org TEXT NOT NULL, product TEXT NOT NULL, token TEXT NOT NULL, session TEXT NOT NULL,
  key_id TEXT NOT NULL, seen TEXT, told TEXT, since INTEGER NOT NULL, until INTEGER NOT NULL,
  turn TEXT, held_until INTEGER, noted INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX watches_by_owner ON watches (org, product, token);
