-- Values that are one of a kind: the next sequence number, the number of shards, how far retention got.
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE orgs (org TEXT PRIMARY KEY, salt BLOB NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID, STRICT;

-- Everything that is known about an accepted event in one row: its body's checksum, the marker that it was counted,
-- where it is on its way to the connector.
CREATE TABLE events (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    ck INTEGER NOT NULL,
    shard INTEGER NOT NULL,        -- of its first record: a record with another body must come after it
    accepted_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,   -- retention counts from here
    forward INTEGER NOT NULL,      -- 1: booked as acceptedForward
    ending INTEGER NOT NULL,       -- 0: none, else how it ended without being forwarded; booked as counted
    counted_at INTEGER,            -- the marker
    position INTEGER,              -- of its staging row
    batch INTEGER,                 -- forwarded: the number of the batch that took it, 0 when it was parked before
    rescues INTEGER,
    rescued_at INTEGER,
    PRIMARY KEY (org, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE stream (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL,
    partition_key TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX stream_by_shard ON stream (shard);

CREATE TABLE checkpoints (
    consumer TEXT NOT NULL, shard INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (consumer, shard)
) WITHOUT ROWID, STRICT;

CREATE TABLE on_failure (
    consumer TEXT NOT NULL, shard TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
    at INTEGER NOT NULL, condition TEXT NOT NULL, payload TEXT NOT NULL, records INTEGER NOT NULL,
    PRIMARY KEY (consumer, shard, first, last)
) STRICT;

-- `position` is the sequence number of the row's INSERT record.
CREATE TABLE staging (
    position INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    forward INTEGER NOT NULL,
    id TEXT NOT NULL,
    product TEXT NOT NULL,
    ck INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    staged_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rescues INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX staging_by_org ON staging (org, forward);

CREATE TABLE rescue_queue (
    org TEXT NOT NULL, id TEXT NOT NULL, forward INTEGER NOT NULL, expired_at INTEGER NOT NULL, PRIMARY KEY (org, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE heads (
    org TEXT PRIMARY KEY, next_seq INTEGER NOT NULL, fence INTEGER NOT NULL, lease_until INTEGER,
    breaker_failures INTEGER NOT NULL, breaker_open_until INTEGER
) WITHOUT ROWID, STRICT;

CREATE TABLE batches (
    org TEXT NOT NULL, seq TEXT NOT NULL, batch_id TEXT NOT NULL,
    size INTEGER NOT NULL, events TEXT NOT NULL, body BLOB NOT NULL,
    formed_at INTEGER NOT NULL, attempts INTEGER NOT NULL, next_attempt_at INTEGER NOT NULL,
    failing_since INTEGER, error TEXT,
    PRIMARY KEY (org, seq)
) STRICT;

CREATE TABLE receipts (
    org TEXT NOT NULL, seq TEXT NOT NULL, batch_id TEXT NOT NULL, status TEXT NOT NULL,
    formed_at INTEGER NOT NULL, delivered_at INTEGER NOT NULL, events TEXT NOT NULL,
    PRIMARY KEY (org, seq)
) STRICT;
CREATE INDEX receipts_by_time ON receipts (delivered_at);

CREATE TABLE parked (
    org TEXT NOT NULL, id TEXT NOT NULL, parked_at INTEGER NOT NULL, seq TEXT NOT NULL, formed_at INTEGER,
    reason TEXT NOT NULL, detail TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;

CREATE TABLE enrichments (
    org TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (org, id)
) STRICT;
CREATE INDEX enrichments_by_time ON enrichments (at);

CREATE TABLE counters (
    org TEXT NOT NULL, product TEXT NOT NULL, hour INTEGER NOT NULL, dimension TEXT NOT NULL,
    events INTEGER NOT NULL, severity INTEGER NOT NULL,
    PRIMARY KEY (org, hour, product, dimension)
) WITHOUT ROWID, STRICT;

CREATE TABLE actors (
    org TEXT NOT NULL, product TEXT NOT NULL, day INTEGER NOT NULL, dimension TEXT NOT NULL, actor TEXT NOT NULL,
    PRIMARY KEY (org, day, product, dimension, actor)
) WITHOUT ROWID, STRICT;

CREATE TABLE dictionary (
    org TEXT NOT NULL, product TEXT NOT NULL, day INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (org, day, product, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE ledger (
    org TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (org, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE quarantine (
    shard TEXT NOT NULL, seq TEXT NOT NULL, arrived_at INTEGER NOT NULL, reason TEXT NOT NULL, path TEXT,
    org TEXT, id TEXT, terminal INTEGER NOT NULL, held_at INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (shard, seq)
) STRICT;
CREATE INDEX quarantine_by_org ON quarantine (org, arrived_at);
CREATE INDEX quarantine_by_time ON quarantine (arrived_at);
CREATE INDEX quarantine_by_event ON quarantine (id) WHERE id IS NOT NULL;

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY, body_hash BLOB NOT NULL, answers TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE assignments (
    org TEXT NOT NULL, product TEXT NOT NULL, actor TEXT NOT NULL,
    experiment TEXT NOT NULL, variant TEXT NOT NULL, assigned_at INTEGER NOT NULL,
    PRIMARY KEY (org, product, actor)
) WITHOUT ROWID, STRICT;

CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, orgs TEXT NOT NULL, scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL, revoked_at INTEGER
) WITHOUT ROWID, STRICT;

CREATE TABLE announcements (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, org TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;

-- How far retention walked through the events.
CREATE TABLE cursor (org TEXT NOT NULL, id TEXT NOT NULL) STRICT;
