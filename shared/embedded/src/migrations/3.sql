-- Names of amendments of cells, each of which is added once.
CREATE TABLE amendments (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX amendments_by_time ON amendments (at);
