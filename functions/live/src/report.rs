//! What was done, for people and for alarms: numbers and codes only.

use contract::Code;
use ports::PortError;

use crate::TickReport;

pub(crate) fn opened() {
    tracing::info!(target: METRICS, stage = STAGE, watches_opened = 1_u64);
}

pub(crate) fn refused(code: Code) {
    tracing::info!(%code, "refused a listener: {code}");
    tracing::info!(target: METRICS, stage = STAGE, watches_refused = 1_u64);
}

pub(crate) fn misheard(code: Code) {
    tracing::info!(%code, "hung up on a listener: {code}");
    tracing::info!(target: METRICS, stage = STAGE, watches_misheard = 1_u64);
}

pub(crate) fn unannounced(error: &PortError) {
    tracing::warn!(port.operation = error.operation, %error, "the first context waits for the minute: {error}");
}

pub(crate) fn told(bytes: usize) {
    tracing::info!(target: METRICS, stage = STAGE, contexts_told = 1_u64, context_bytes = bytes);
}

pub(crate) fn gone() {
    tracing::info!(target: METRICS, stage = STAGE, watches_gone = 1_u64);
}

pub(crate) fn revoked() {
    tracing::info!(target: METRICS, stage = STAGE, watches_revoked = 1_u64);
}

pub(crate) fn failed(error: &PortError) {
    tracing::warn!(port.operation = error.operation, %error, "a listener waits for the next minute: {error}");
}

pub(crate) fn ticked(report: &TickReport, duration_ms: i64) {
    tracing::info!(
        target: METRICS,
        stage = STAGE,
        live_ticks = 1_u64,
        watches = report.watches,
        watches_ended = report.ended,
        watches_failed = report.failed,
        watches_left = report.left,
        duration_ms,
    );
}

const METRICS: &str = "metrics";
const STAGE: &str = "live";
