//! Every limit of the suite, in one place and with its unit.

/// Version of the event schema written by this build.
pub const SCHEMA_VERSION: &str = "1.0";

/// Largest encoded event, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;
/// Largest ingest body after decompression, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most events in one ingest request.
pub const REQUEST_EVENTS_MAX: usize = 500;
/// Deepest nesting of a JSON body, counted in open brackets.
pub const JSON_DEPTH_MAX: usize = 8;
/// Largest ratio of decompressed to compressed bytes of a body.
pub const DECOMPRESSION_RATIO_MAX: usize = 20;
/// Most keys in an event's `context`.
pub const CONTEXT_KEYS_MAX: usize = 32;
/// Longest identifier of an event, organisation or product, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Longest correlation, causation or idempotency key, in bytes.
pub const CORRELATION_BYTES_MAX: usize = 128;
/// Longest raw actor or session identifier taken at a door, in bytes.
pub const RAW_ID_BYTES_MAX: usize = 256;
/// Longest screen or route, in bytes.
pub const SCREEN_BYTES_MAX: usize = 256;
/// Longest element key and object id, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest short name (task, object type, error code, service), in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest description of a suggested pattern, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 256;
/// Most behavioural indicators of one event.
pub const INDICATORS_MAX: usize = 16;
/// Longest latency an error may report, in ms: 30 days, since nothing waits longer.
pub const LATENCY_MS_MAX: u64 = 2_592_000_000;

/// Most events in one connector batch.
pub const BATCH_EVENTS_MAX: usize = 96;
/// Largest rendered connector batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Largest stream record, in bytes.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Largest Lambda payload of an event source mapping, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Most events counted in one transaction.
pub const CHUNK_EVENTS_MAX: usize = 500;
/// Most items in one transaction.
pub const TRANSACTION_ITEMS_MAX: usize = 100;
/// Largest transaction, in bytes.
pub const TRANSACTION_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Most events in one archive object.
pub const ARCHIVE_EVENTS_MAX: usize = 1_000;
/// Largest archive object before compression, in bytes.
pub const ARCHIVE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Most names (screens, elements, experiments) counted per organisation, product and day.
pub const DICTIONARY_NAMES_MAX: usize = 200;

/// A longer pause between two events of one owner ends the session, in ms; exactly this long does not.
pub const SESSION_GAP_MS: i64 = 30 * MINUTE_MS;
/// Activity that lasts longer is cut at fixed UTC multiples of this, in ms.
pub const SESSION_CUT_MS: i64 = 12 * HOUR_MS;
/// Most events of one session; what goes on is cut there.
pub const SESSION_EVENTS_MAX: usize = 5_000;
/// Longer pauses do not count as active time, in ms.
pub const ACTIVE_GAP_MS: i64 = MINUTE_MS;
/// Most screens in a session's path.
pub const PATH_SCREENS_MAX: usize = 20;
/// Most screens in a flow's path.
pub const FLOW_SCREENS_MAX: usize = 12;
/// Least actors behind a number that leaves through the insights API.
pub const K_ANONYMITY: usize = 5;
/// Longest time that one question to the insights API may cover, in days.
pub const INSIGHT_DAYS_MAX: i64 = 92;
/// Most events that one page of a session's replay holds.
pub const REPLAY_EVENTS_MAX: usize = 10_000;

/// How far ahead of its arrival an event may claim to be before it is clamped, in ms.
pub const CLOCK_AHEAD_MAX_MS: i64 = 5 * MINUTE_MS;
/// Age at arrival beyond which an event is quarantined as late, and the horizon of "counted once", in ms.
pub const DEDUPE_HORIZON_MS: i64 = 30 * DAY_MS;
/// Oldest time inside a UUIDv7 that a door accepts, in ms before arrival.
pub const EVENT_ID_AGE_MAX_MS: i64 = 29 * DAY_MS;
/// How long markers, delivery receipts and forwarded ids are kept, in ms.
pub const MARKER_TTL_MS: i64 = 35 * DAY_MS;
/// How long a staged event lives before TTL removes it, in ms.
pub const STAGING_TTL_MS: i64 = 24 * HOUR_MS;
/// How long quarantined bytes are kept, in ms.
pub const QUARANTINE_TTL_MS: i64 = 14 * DAY_MS;
/// How long an idempotency answer is kept, in ms.
pub const IDEMPOTENCY_TTL_MS: i64 = DAY_MS;
/// How often an undelivered event is put back before it is parked.
pub const RESCUES_MAX: u32 = 7;
/// From this severity on an event does not wait for the batcher's tick.
pub const URGENT_SEVERITY_MIN: u8 = 4;
/// Least time between two urgent deliveries of one organisation, in ms.
pub const URGENT_INTERVAL_MS: i64 = 30 * SECOND_MS;

/// Poison share (percent) from which a batch is taken for a bad deploy.
pub const SYSTEMIC_POISON_PERCENT: usize = 50;
/// Least number of records for that rule.
pub const SYSTEMIC_RECORDS_MIN: usize = 20;

/// One second, in ms.
pub const SECOND_MS: i64 = 1_000;
/// One minute, in ms.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour, in ms.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day, in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;
