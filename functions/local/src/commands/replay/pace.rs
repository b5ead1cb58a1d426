//! Not faster than asked for.

use std::time::{Duration, Instant};

/// Holds a loop to a rate.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: Option<u32>,
    started: Instant,
    sent: u32,
}

impl Pace {
    pub(super) fn of(per_second: Option<u32>) -> Self {
        Self { per_second, started: Instant::now(), sent: 0 }
    }

    /// Most events to send at once: what a second allows.
    pub(super) fn at_once(&self, most: usize) -> usize {
        let allowed = self.per_second.map_or(most, |rate| usize::try_from(rate).unwrap_or(most));
        most.min(allowed).max(1)
    }

    /// Waits until those that were sent so far are due.
    pub(super) async fn wait(&self) {
        let Some(per_second) = self.per_second else { return };
        let due = Duration::from_secs_f64(f64::from(self.sent) / f64::from(per_second));
        if let Some(wait) = due.checked_sub(self.started.elapsed()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// So many more were sent.
    pub(super) fn sent(&mut self, events: usize) {
        self.sent = self.sent.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
    }
}
