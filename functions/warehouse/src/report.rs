//! What a batch did, for people and for alarms: numbers and codes only.

use ports::PortError;

use crate::{insert::Filled, queue::Unread};

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) source: &'static str,
    pub(crate) records: usize,
    /// Records that are nothing for the warehouse.
    pub(crate) ignored: usize,
    pub(crate) filled: Filled,
}

pub(crate) fn taken(taken: &Taken, duration_ms: i64) {
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        source = taken.source,
        records = taken.records,
        warehouse_rows = taken.filled.stored,
        warehouse_refused = taken.filled.refused,
        ignored = taken.ignored,
        duration_ms,
    );
}

pub(crate) fn postponed(error: &PortError, taken: &Taken) {
    tracing::warn!(
        port.operation = error.operation,
        batch.source = taken.source,
        batch.records = taken.records,
        %error,
        "left {} records for the next delivery: {error}",
        taken.records
    );
    tracing::info!(target: METRICS, stage = STAGE, source = taken.source, batches_resumed = 1_u64);
}

pub(crate) fn refused(table: &str, code: u16, id: &str) {
    tracing::error!(
        warehouse.table = table,
        warehouse.code = code,
        warehouse.row = id,
        "the warehouse refuses a row for what it holds ({code}); it is set aside in the archive"
    );
}

pub(crate) fn unreadable(error: &Unread) {
    tracing::error!(%error, "an announcement cannot be read: {error}");
}

const METRICS: &str = "metrics";
const STAGE: &str = "warehouse";
