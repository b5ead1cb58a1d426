//! What a batch did, for people and for alarms: one line each, numbers and codes only.

use contract::kinesis::Record;

use crate::{BatchError, work::Work};

/// Reports a batch that was answered.
pub(crate) fn finished(work: &Work, cut: Option<&Record>, duration_ms: i64) {
    let tally = &work.tally;
    let poison: usize = tally.quarantined.values().sum();
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        records = tally.records,
        events_counted = tally.counted,
        suppressed = tally.suppressed,
        duplicates = tally.duplicates,
        poison,
        ignored = tally.ignored,
        rescued = tally.rescued,
        announced = tally.announced,
        unenriched = tally.unenriched,
        ledger_stale = tally.stale,
        archive_objects = tally.archive_objects,
        archive_events = tally.archive_events,
        archive_bytes = tally.archive_bytes,
        batches_resumed = usize::from(cut.is_some()),
        duration_ms,
    );
    for (code, quarantined) in &tally.quarantined {
        tracing::info!(target: METRICS, stage = STAGE, code = code.as_str(), quarantined);
        tracing::warn!(
            quarantine.reason = code.as_str(),
            quarantine.records = quarantined,
            "set {quarantined} records aside: {code}"
        );
    }
    if tally.rescued > 0 {
        tracing::warn!(
            rescue.rows = tally.rescued,
            "put {} undelivered events back into staging: the batcher is behind",
            tally.rescued
        );
    }
    tracing::debug!(
        batch.records = tally.records,
        batch.resume_at = cut.map(|record| record.sequence.as_str()),
        batch.duration_ms = duration_ms,
        "answered a batch of {} records",
        tally.records
    );
}

/// Reports a batch that failed as a whole.
pub(crate) fn failed(error: &BatchError, records: usize) {
    tracing::error!(batch.records = records, %error, "failed a batch of {records} records: {error}");
    tracing::info!(target: METRICS, stage = STAGE, code = error.code(), batches_failed = 1_u64);
}

/// The target that is written as metrics.
const METRICS: &str = "metrics";
const STAGE: &str = "processor";
