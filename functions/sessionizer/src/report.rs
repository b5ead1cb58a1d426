//! What a batch and a sweep did, for people and for alarms: numbers and codes only.

use ports::PortError;

use crate::{CompactReport, SweepReport};

/// What became of a batch's records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) records: usize,
    /// Events of somebody's sessions.
    pub(crate) events: usize,
    pub(crate) owners: usize,
    /// Events that came too late for a session; they are counted all the same.
    pub(crate) late: usize,
    /// Events that name neither a session nor an actor.
    pub(crate) ownerless: usize,
    /// Records that are not events, or not to be analysed.
    pub(crate) others: usize,
}

pub(crate) fn taken(taken: &Taken, duration_ms: i64) {
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        records = taken.records,
        session_events = taken.events,
        session_owners = taken.owners,
        session_late = taken.late,
        session_ownerless = taken.ownerless,
        ignored = taken.others,
        duration_ms,
    );
}

pub(crate) fn postponed(error: &PortError, records: usize) {
    tracing::warn!(
        port.operation = error.operation,
        batch.records = records,
        %error,
        "left {records} records for the next delivery: {error}"
    );
    tracing::info!(target: METRICS, stage = STAGE, batches_resumed = 1_u64);
}

pub(crate) fn untold(error: &PortError) {
    tracing::warn!(
        port.operation = error.operation,
        %error,
        "whoever listens is told within a minute: {error}"
    );
    tracing::info!(target: METRICS, stage = STAGE, changes_untold = 1_u64);
}

pub(crate) fn swept(report: &SweepReport, duration_ms: i64) {
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        session_owners_swept = report.owners,
        sessions_closed = report.closed,
        sessions_superseded = report.superseded,
        incidents_found = report.incidents,
        incidents_retracted = report.retracted,
        sweeps_stale = report.stale,
        sweeps_failed = report.failed,
        session_notices = report.notices,
        duration_ms,
    );
}

pub(crate) fn compacted(report: &CompactReport, duration_ms: i64) {
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        compactions = 1_u64,
        compacted_days = report.amended,
        cells_folded = report.folded,
        compactions_failed = report.failed,
        compactions_unfinished = u64::from(report.unfinished),
        duration_ms,
    );
}

#[cfg(feature = "lambda")]
pub(crate) fn backlog(oldest_due_ms: i64) {
    tracing::info!(target: METRICS, stage = STAGE, oldest_due_ms);
}

#[cfg(feature = "lambda")]
pub(crate) fn redriven(finished: usize, left: usize) {
    tracing::info!(target: METRICS, stage = STAGE, redriven = finished, redrive_left = left);
}

const METRICS: &str = "metrics";
const STAGE: &str = "sessionizer";
