-- Whose events make sessions, each with its head: how far its events are worked up. Version 0: there is no head.
CREATE TABLE owners (
    id INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    product TEXT NOT NULL,
    token TEXT NOT NULL,
    lane INTEGER NOT NULL,         -- of 32
    version INTEGER NOT NULL,
    dirty_from INTEGER,
    due_at INTEGER
) STRICT;
CREATE UNIQUE INDEX owners_by_token ON owners (org, product, token);
CREATE INDEX owners_due ON owners (due_at, lane) WHERE due_at IS NOT NULL;

-- Bodies lie as they came: in the order of their owners each of them would write a page of its own.
CREATE TABLE session_events (
    position INTEGER PRIMARY KEY, owner INTEGER NOT NULL, at INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX session_events_by_owner ON session_events (owner, at, id);

CREATE TABLE sessions (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    owner INTEGER NOT NULL,
    product TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    actor_slot INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;
CREATE INDEX sessions_by_owner ON sessions (owner, ended_at);
CREATE INDEX sessions_by_time ON sessions (org, started_at, id, product, state);

CREATE TABLE incidents (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    owner INTEGER NOT NULL,
    product TEXT NOT NULL,
    session TEXT NOT NULL,
    rule TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    retracted INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;
CREATE INDEX incidents_by_owner ON incidents (owner, ended_at);
CREATE INDEX incidents_by_time ON incidents (org, started_at, id, product, rule, retracted);
CREATE INDEX incidents_by_session ON incidents (org, session);

CREATE TABLE cells (
    org TEXT NOT NULL, kind TEXT NOT NULL, day INTEGER NOT NULL, product TEXT NOT NULL, name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (org, kind, day, product, name)
) WITHOUT ROWID, STRICT;

-- What was committed and not yet announced.
CREATE TABLE notices (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, org TEXT NOT NULL, at INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT;
ALTER TABLE announcements ADD COLUMN detail TEXT;

CREATE TABLE rules (org TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID, STRICT;

-- What was made of an owner's or an actor's events; `session` where it is about one.
CREATE TABLE projections (
    number INTEGER PRIMARY KEY,
    org TEXT NOT NULL, product TEXT NOT NULL, kind TEXT NOT NULL, token TEXT NOT NULL,
    version INTEGER NOT NULL, session TEXT, last_at INTEGER NOT NULL, last_id TEXT NOT NULL, state TEXT NOT NULL,
    UNIQUE (org, product, kind, token)
) STRICT;
CREATE INDEX projections_by_session ON projections (org, session) WHERE session IS NOT NULL;
