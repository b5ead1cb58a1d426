-- Incidents, for 400 days: one row each, as it was announced. One that turned out not to be one stays as `retracted`.
--
-- The greatest revision takes the place of the others; of equal ones that with more events. An incident is announced when it is
-- found, taken back and found again, not when it grows; the incidents of a session are those that the session lists
-- (`fact_sessions.incident_ids`).
CREATE TABLE IF NOT EXISTS fact_incidents
(
    org_id        LowCardinality(String),
    product_id    LowCardinality(String),
    day           Date                                    COMMENT 'UTC day of started_at',
    incident_id   String,
    revision      UInt32,
    precedence    UInt64                                  COMMENT 'which of two rows of one key stays: the greater',
    state         LowCardinality(String)                  COMMENT 'found or retracted',
    rule          LowCardinality(String),
    rules_version UInt32,
    session_id    String                                  COMMENT 'the session it lay in when it was announced',
    started_at    DateTime64(3, 'UTC'),
    ended_at      DateTime64(3, 'UTC'),
    screen        LowCardinality(String),
    element       String,
    task          LowCardinality(String),
    pillar        LowCardinality(String),
    confidence    LowCardinality(String),
    events        UInt32,
    event_ids     Array(String),
    thresholds    Map(LowCardinality(String), Float64),
    tags          Array(LowCardinality(String))
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(day)
ORDER BY (org_id, product_id, day, incident_id)
TTL day + INTERVAL 400 DAY DELETE;
