//! The sessionizer behind a pump of its own, and the sweeper beside it.

use std::{sync::Arc, time::Duration};

use contract::limits::ARCHIVE_EVENTS_MAX;
use embedded::Store;
use ports::{
    clock::{Clock as _, SystemClock},
    sessions::Lane,
};
use pump::{FunctionError, Pump, Settings, StreamFunction};
use sessionizer::Sessionizer;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

/// The sessionizer of this process.
pub(super) type LocalSessionizer = Sessionizer<Store, SystemClock>;

/// One invocation per batch.
#[derive(Debug)]
struct SessionizerFunction(Arc<LocalSessionizer>);

impl StreamFunction for SessionizerFunction {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        self.0.handle_payload(payload).await.map_err(FunctionError::failed)
    }
}

/// Pumps the stream into the sessionizer.
pub(super) async fn pump(
    sessionizer: Arc<LocalSessionizer>,
    world: Store,
    stopping: watch::Receiver<bool>,
) {
    let settings = Settings { batch_size: ARCHIVE_EVENTS_MAX, ..Settings::of(CONSUMER) };
    let pump = Pump::new(world.clone(), SessionizerFunction(sessionizer), SystemClock, settings);
    let (wake, woken) = watch::channel(());
    let mut appended = world.appended();
    let forward = async move {
        while appended.changed().await.is_ok() {
            wake.send_replace(());
        }
    };
    tokio::select! {
        pumped = Arc::new(pump).run(woken, stopping) => {
            if let Err(error) = pumped {
                tracing::error!(%error, "the pump of the sessionizer stopped: {error}");
            }
        }
        () = forward => {}
    }
}

/// Sweeps until it is stopped.
pub(super) async fn sweep(
    sessionizer: Arc<LocalSessionizer>,
    every: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => {}
        }
        let deadline = SystemClock.now().plus_ms(SWEEP_MS);
        if let Err(error) = sessionizer.sweep(Lane { index: 0, of: 1 }, Some(deadline)).await {
            tracing::error!(port.operation = error.operation, %error, "a sweep failed: {error}");
        }
    }
}

/// Compacts the days that are over: soon after the start, and on each day once.
pub(super) async fn compact(
    sessionizer: Arc<LocalSessionizer>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut interval = interval(COMPACT_CHECK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut compacted_on = None;
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => {}
        }
        let now = SystemClock.now();
        if compacted_on == Some(now.day()) {
            continue;
        }
        // What is left over or failed is done with the next tick.
        match sessionizer.compact(Some(now.plus_ms(COMPACT_MS))).await {
            Ok(report) if report.unfinished || report.failed > 0 => {}
            Ok(_) => compacted_on = Some(now.day()),
            Err(error) => {
                tracing::error!(port.operation = error.operation, %error, "a compaction failed: {error}");
            }
        }
    }
}

/// The sessionizer's name in checkpoints.
const CONSUMER: &str = "sessionizer";
/// A sweep that has more to do goes on with the next one, after whoever waits for the writer.
const SWEEP_MS: i64 = 30_000;
/// How often somebody looks whether a day is over.
const COMPACT_CHECK: Duration = Duration::from_secs(5 * 60);
/// A compaction that has more to do goes on after the next look.
const COMPACT_MS: i64 = 60_000;
