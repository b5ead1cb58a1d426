-- Events as the stream carried them, one row each, for 35 days.
--
-- The key is (organisation, day, event, checksum of its body): a repeat takes the place of its like. A body whose id belongs to
-- another one is struck out once the processor has set it aside, by a row of its key with `is_struck`, whichever of the two came
-- first: `precedence` is made of the row alone. Read with FINAL, which shows no struck row.
CREATE TABLE IF NOT EXISTS events_raw
(
    org_id         LowCardinality(String),
    product_id     LowCardinality(String),
    day            Date                                   COMMENT 'UTC day of occurred_at',
    event_id       String,
    ck             String                                 COMMENT 'checksum of the body at the door: tells a repeat from an id used twice',
    precedence     UInt64                                 COMMENT 'which of two rows of one key stays: the greater',
    is_struck      UInt8                                  COMMENT '1: no event, its id belongs to another body',
    event_type     LowCardinality(String),
    family         LowCardinality(String),
    occurred_at    DateTime64(3, 'UTC'),
    recorded_at    DateTime64(3, 'UTC')                   COMMENT 'when a door took it',
    session_token  String                                 COMMENT 'pseudonym, empty when there is none',
    actor_token    String                                 COMMENT 'pseudonym, empty when there is none',
    pillar         LowCardinality(String),
    severity       UInt8                                  COMMENT 'stated, or the default of the type',
    screen         LowCardinality(String),
    route          LowCardinality(String),
    element_key    String,
    element_kind   LowCardinality(String),
    element_x      Nullable(Int32),
    element_y      Nullable(Int32),
    task           LowCardinality(String),
    object_type    LowCardinality(String),
    object_id      String,
    error_code     LowCardinality(String),
    error_category LowCardinality(String),
    latency_ms     Nullable(UInt64),
    feature        LowCardinality(String),
    user_action    LowCardinality(String),
    ai_confidence  Nullable(Float64),
    experiment     LowCardinality(String),
    variant        LowCardinality(String),
    service        LowCardinality(String),
    correlation_id String,
    forward        Bool                                   COMMENT 'may be given to the connector',
    time_adjusted  Bool,
    body           String CODEC(ZSTD(3))                  COMMENT 'the event, as the contract has it'
)
ENGINE = ReplacingMergeTree(precedence, is_struck)
PARTITION BY toMonday(day)
ORDER BY (org_id, day, event_id, ck)
TTL day + INTERVAL 35 DAY DELETE;
