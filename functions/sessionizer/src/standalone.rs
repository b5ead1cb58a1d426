//! The sessionizer over the embedded store, in a process that lives on: behind a pump of its own, with the sweeper, the
//! compaction and the redrive beside it.

use std::{path::Path, sync::Arc, time::Duration};

use contract::limits::ARCHIVE_EVENTS_MAX;
use embedded::{Options, Store};
use friction::policy::SessionPolicy;
use ports::{
    clock::{Clock as _, SystemClock},
    sessions::Lane,
};
use pump::{FunctionError, Pump, Settings, StreamFunction};
use tokio::{
    signal::unix::{self, SignalKind},
    sync::watch,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::Sessionizer;

/// The sessionizer of a process that lives on.
pub type Standalone = Sessionizer<Store, SystemClock>;

/// A directory that is not served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// A mistyped name makes no store.
    #[error(
        "EVENTS_DDB_TABLE is not set, and EVENTS_SQLITE_PATH names no data directory; `tribo local --data-dir` makes one"
    )]
    NoStore,
    /// Two would announce to each other's listeners.
    #[error("the data directory is served already: whoever does that makes its sessions as well")]
    Served,
    /// It cannot be opened.
    #[error(transparent)]
    Store(#[from] embedded::OpenError),
    /// It cannot be locked, or signals cannot be heard.
    #[error("the data directory cannot be served")]
    System(#[from] std::io::Error),
}

/// Serves `directory` until SIGTERM or SIGINT, and finishes what is under way.
///
/// # Errors
/// See [`NotServed`].
pub async fn serve(directory: &Path, policy: SessionPolicy) -> Result<(), NotServed> {
    if !directory.join(embedded::DATABASE).exists() {
        return Err(NotServed::NoStore);
    }
    let _lock = embedded::serve_alone(directory)?.ok_or(NotServed::Served)?;
    let (mut terminate, mut interrupt) =
        (unix::signal(SignalKind::terminate())?, unix::signal(SignalKind::interrupt())?);
    let world = Store::open(directory, Options::default())?;
    let sessionizer = Arc::new(Sessionizer::new(world.clone(), SystemClock, policy));
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(pump(Arc::clone(&sessionizer), world.clone(), stopping.clone()));
    tasks.spawn(sweep(Arc::clone(&sessionizer), SWEEP_EVERY, stopping.clone()));
    tasks.spawn(compact(Arc::clone(&sessionizer), stopping.clone()));
    tasks.spawn(redrive_often(sessionizer, world, stopping));
    tracing::info!("making sessions of what the data directory's stream brings");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Pumps the stream into the sessionizer.
pub async fn pump(sessionizer: Arc<Standalone>, world: Store, stopping: watch::Receiver<bool>) {
    let settings = Settings { batch_size: ARCHIVE_EVENTS_MAX, ..Settings::of(CONSUMER) };
    let pump = Pump::new(world.clone(), Behind(sessionizer), SystemClock, settings);
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
pub async fn sweep(
    sessionizer: Arc<Standalone>,
    every: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let mut interval = now_and_every(every);
    while goes_on(&mut interval, &mut stopping).await {
        let deadline = SystemClock.now().plus_ms(SWEEP_MS);
        if let Err(error) = sessionizer.sweep(Lane { index: 0, of: 1 }, Some(deadline)).await {
            tracing::error!(port.operation = error.operation, %error, "a sweep failed: {error}");
        }
    }
}

/// Compacts the days that are over: soon after the start, and on each day once.
pub async fn compact(sessionizer: Arc<Standalone>, mut stopping: watch::Receiver<bool>) {
    let mut interval = now_and_every(COMPACT_CHECK);
    let mut compacted_on = None;
    while goes_on(&mut interval, &mut stopping).await {
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

/// Takes what the pump gave up once more.
pub async fn redrive(sessionizer: Arc<Standalone>, world: &Store) {
    if let Err(error) = pump::redrive(world, &Behind(sessionizer), CONSUMER).await {
        tracing::error!(%error, "the redrive of given-up batches of sessions failed: {error}");
    }
}

async fn redrive_often(
    sessionizer: Arc<Standalone>,
    world: Store,
    mut stopping: watch::Receiver<bool>,
) {
    let mut interval = now_and_every(REDRIVE_EVERY);
    while goes_on(&mut interval, &mut stopping).await {
        redrive(Arc::clone(&sessionizer), &world).await;
    }
}

/// One invocation per batch.
#[derive(Debug)]
struct Behind(Arc<Standalone>);

impl StreamFunction for Behind {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        self.0.handle_payload(payload).await.map_err(FunctionError::failed)
    }
}

fn now_and_every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits for the next time; false when it is time to stop.
async fn goes_on(interval: &mut Interval, stopping: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = stopping.changed() => false,
        _ = interval.tick() => true,
    }
}

/// The sessionizer's name in checkpoints, and in what was given up.
const CONSUMER: &str = "sessionizer";
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const REDRIVE_EVERY: Duration = Duration::from_secs(60);
/// A sweep that has more to do goes on with the next one, after whoever waits for the writer.
const SWEEP_MS: i64 = 30_000;
/// How often somebody looks whether a day is over.
const COMPACT_CHECK: Duration = Duration::from_secs(5 * 60);
/// A compaction that has more to do goes on after the next look.
const COMPACT_MS: i64 = 60_000;
