-- Sessions, for 400 days: one row each, with all that its screens, flows, tasks, pillars and signals add to any sum.
--
-- The greatest revision of a session takes the place of the others, whole: what a session no longer has is gone with the
-- revision that had it, and no reader sees a part of one revision beside a part of another. A session that turned out to be a
-- part of another one stays as `superseded`, so that a repeat of an older revision cannot bring it back. Scores are in
-- millionths and times in ms, so that sums are whole and means are made when they are read.
CREATE TABLE IF NOT EXISTS fact_sessions
(
    org_id            LowCardinality(String),
    product_id        LowCardinality(String),
    day               Date                                COMMENT 'UTC day of started_at',
    session_id        String,
    revision          UInt32,
    state             LowCardinality(String)              COMMENT 'closed or superseded',
    started_at        DateTime64(3, 'UTC'),
    ended_at          DateTime64(3, 'UTC'),
    actor_slot        UInt8                               COMMENT 'one of 64 slots of actors; names nobody',
    duration_ms       Int64,
    active_ms         Int64,
    events            UInt32,
    clicks            UInt32,
    screens_visited   UInt32,
    unique_screens    UInt32,
    rage_clicks       UInt32,
    dead_clicks       UInt32,
    error_clicks      UInt32,
    backtracks        UInt32,
    context_switches  UInt32,
    tasks_started     UInt32,
    tasks_completed   UInt32,
    tasks_cancelled   UInt32,
    tasks_abandoned   UInt32,
    errors            UInt32,
    incidents         UInt32,
    friction_micro    Int64                               COMMENT 'frustration score, millionths',
    friction_tier     LowCardinality(String),
    friction_model    LowCardinality(String),
    efficiency_micro  Nullable(Int64)                     COMMENT 'efficiency score, millionths; absent without tasks',
    efficiency_model  LowCardinality(String),
    rules_version     UInt32,
    cut_before        Bool,
    cut_after         Bool,
    truncated         Bool,
    path              Array(LowCardinality(String)),
    incident_ids      Array(String),
    friction_events Nested(
        event_type       LowCardinality(String),
        events           UInt32),
    screens Nested(
        screen           LowCardinality(String),
        visits           Int64,
        dwell_ms         Int64,
        friction_micro   Int64,
        rage_sessions    UInt8,
        exits            UInt8,
        incidents        Int64,
        efficiency_micro Int64,
        rated            UInt8),
    flows Nested(
        id               LowCardinality(String),
        task             LowCardinality(String),
        path             Array(LowCardinality(String)),
        flows            Int64,
        completed        Int64,
        ended            Int64,
        friction_micro   Int64,
        duration_ms      Int64),
    steps Nested(
        from             LowCardinality(String),
        to               LowCardinality(String),
        steps            Int64,
        gap_ms           Int64,
        friction_micro   Int64),
    tasks Nested(
        task             LowCardinality(String),
        started          Int64,
        completed        Int64,
        cancelled        Int64,
        abandoned        Int64),
    pillars Nested(
        pillar           LowCardinality(String),
        caused           Int64,
        prevented        Int64),
    signals Nested(
        signal           LowCardinality(String),
        incidents        Int64,
        friction_micro   Int64)
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, product_id, day, session_id)
TTL day + INTERVAL 400 DAY DELETE;
