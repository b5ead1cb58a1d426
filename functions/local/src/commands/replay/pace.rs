//! Not faster than asked for.

use std::time::{Duration, Instant};

/// Holds a loop to a rate.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: Option<u32>,
    started: Instant,
    done: u32,
}

impl Pace {
    pub(super) fn of(per_second: Option<u32>) -> Self {
        Self { per_second, started: Instant::now(), done: 0 }
    }

    /// Waits until `events` more are allowed.
    pub(super) async fn take(&mut self, events: usize) {
        let Some(per_second) = self.per_second else { return };
        let due = f64::from(self.done) / f64::from(per_second);
        self.done = self.done.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
        let due = Duration::from_secs_f64(due);
        if let Some(wait) = due.checked_sub(self.started.elapsed()) {
            tokio::time::sleep(wait).await;
        }
    }
}
