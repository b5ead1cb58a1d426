//! Every function in one process, on one store: the door, the pumps with the processor and the sessionizer behind them,
//! the sweeper, the batcher.

mod connection;
mod function;
mod warehouse;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use axum::Router;
use batcher::{
    Batcher,
    report::{Ended, OrgReport},
};
use connector::{HttpEndpoint, mock::Quirks, warehouse::ClickHouse};
use contract::{OrgId, limits::ARCHIVE_EVENTS_MAX};
use domain::{delivery::DeliveryPolicy, profile::Sender};
use embedded::{Durability, Options, Store};
use friction::policy::SessionPolicy;
use ingest::{Ingest, config::Config};
use insights::{CursorKey, Insights};
use ports::{
    accounts::Accounts as _,
    bus::AnnouncementKind,
    clock::{Clock as _, Entropy, SystemClock},
};
use processor::Processor;
use pump::{Pump, Settings, redrive};
use sessionizer::{
    Sessionizer,
    standalone::{self, Standalone},
};
use tokio::{
    sync::{Mutex, broadcast::error::RecvError, watch},
    task::JoinSet,
    time::Instant,
};

pub(crate) use self::connection::{Mock, SIGNING_SECRET, copy_signing_secret};
use self::function::{ForcedProcessor, ProcessorFunction};
use crate::open;

/// How a suite is run.
#[derive(Debug, Clone)]
pub(crate) struct SuiteSettings {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// Shards of the stream.
    pub(crate) shards: u32,
    /// The connector's dialect.
    pub(crate) profile: String,
    /// Where deliveries go.
    pub(crate) target: Target,
    /// Every duration of the way to the connector.
    pub(crate) policy: DeliveryPolicy,
    /// Events per second that one key may send on average.
    pub(crate) rate_limit: u32,
    /// Every duration of the way to sessions.
    pub(crate) sessions: SessionPolicy,
    /// How often owners whose time has come are looked at.
    pub(crate) sweep: Duration,
    /// Where rows go beside all this.
    pub(crate) warehouse: Option<ClickHouse>,
}

/// Where deliveries go.
#[derive(Clone)]
pub(crate) enum Target {
    /// The built-in mock connector.
    Mock(Quirks),
    /// A connector.
    Connector {
        /// Its base URL.
        url: String,
        /// Its key.
        key: String,
        /// What signs, newest first; empty for one that is made and kept beside the store.
        secrets: Vec<String>,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mock(quirks) => f.debug_tuple("Mock").field(quirks).finish(),
            Self::Connector { url, .. } => {
                f.debug_struct("Connector").field("url", url).finish_non_exhaustive()
            }
        }
    }
}

impl SuiteSettings {
    /// The usual settings, with the mock.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            shards: 4,
            profile: "athena-eu".to_owned(),
            target: Target::Mock(Quirks::default()),
            policy: DeliveryPolicy::default(),
            rate_limit: Config::default().rate.events_per_second,
            sessions: SessionPolicy::whole_horizon(),
            sweep: SWEEP,
            warehouse: None,
        }
    }
}

/// The running suite. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    /// What everything is kept in.
    pub(crate) world: Store,
    batcher: Arc<LocalBatcher>,
    processor: Arc<LocalProcessor>,
    pub(crate) sessionizer: Arc<Standalone>,
    mock: Option<Arc<Mock>>,
    config: Config,
    urgent_settle: Duration,
    running: Arc<Running>,
}

type LocalBatcher = Batcher<Store, HttpEndpoint, SystemClock>;
type LocalProcessor = Processor<Store, SystemClock>;

/// What has to be stopped.
#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Suite {
    /// Opens the store and starts the pump and the listener for urgent events.
    pub(crate) async fn start(settings: SuiteSettings) -> anyhow::Result<Self> {
        let options =
            Options { durability: Durability::Full, shards: settings.shards, ..Options::default() };
        let world = open::with(&settings.data_dir, options)?;
        let connection = connection::connect(&settings).await?;
        let sending = batcher::Settings {
            profile: connection.profile,
            policy: settings.policy,
            sender: Sender::new(INSTANCE, REGION)?,
        };
        let batcher =
            Arc::new(Batcher::new(world.clone(), connection.endpoint, SystemClock, sending));
        let processor = Arc::new(Processor::new(world.clone(), SystemClock));
        let sessionizer = Arc::new(Sessionizer::new(world.clone(), SystemClock, settings.sessions));
        let (stop, stopping) = watch::channel(false);
        let mut config = Config::default();
        config.rate.events_per_second = settings.rate_limit;
        config.rate.burst = settings.rate_limit.saturating_mul(3);
        let suite = Self {
            world,
            batcher,
            processor,
            sessionizer,
            mock: connection.mock,
            config,
            urgent_settle: Duration::from_millis(
                u64::try_from(settings.policy.urgent_settle_ms).unwrap_or(0),
            ),
            running: Arc::new(Running { stop, tasks: Mutex::default() }),
        };
        let mut tasks = suite.running.tasks.lock().await;
        tasks.spawn(suite.clone().pump(stopping.clone()));
        let (sessionizer, world) = (Arc::clone(&suite.sessionizer), suite.world.clone());
        tasks.spawn(standalone::pump(Arc::clone(&sessionizer), world, stopping.clone()));
        tasks.spawn(standalone::compact(Arc::clone(&sessionizer), stopping.clone()));
        tasks.spawn(standalone::sweep(sessionizer, settings.sweep, stopping.clone()));
        warehouse::feed(settings.warehouse, &suite.world, &mut tasks, stopping.clone()).await?;
        tasks.spawn(suite.clone().hurry(stopping));
        drop(tasks);
        Ok(suite)
    }

    /// The door's routes.
    pub(crate) fn router(&self) -> Router {
        let door = Ingest::new(self.world.clone(), SystemClock, SystemEntropy, self.config);
        ingest::router(Arc::new(door))
    }

    /// The routes of what is understood. Cursors live as long as this process.
    pub(crate) fn insights(&self) -> anyhow::Result<Router> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| anyhow!("no random bytes: {error}"))?;
        let cursors = CursorKey::new(key);
        let insights = Insights::new(self.world.clone(), SystemClock, SystemEntropy, cursors);
        Ok(insights::routes(Arc::new(insights)))
    }

    /// The mock connector, when deliveries go there.
    pub(crate) fn mock(&self) -> Option<&Mock> {
        self.mock.as_deref()
    }

    /// One tick of the batcher. What fails stays pending and is tried by the next tick.
    pub(crate) async fn tick(&self) {
        if let Err(error) = self.batcher.tick(None).await {
            tracing::error!(%error, "a tick of the batcher failed: {error}");
        }
    }

    /// Upkeep: TTL, retention, and what the pump gave up.
    pub(crate) async fn maintain(&self) {
        let now = SystemClock.now();
        if let Err(error) = self.world.expire(now).await {
            tracing::error!(%error, "expiry failed: {error}");
        }
        if let Err(error) = self.world.retain(now).await {
            tracing::error!(%error, "retention failed: {error}");
        }
        let forced = ForcedProcessor(Arc::clone(&self.processor));
        if let Err(error) = redrive(&self.world, &forced, CONSUMER).await {
            tracing::error!(%error, "the redrive of given-up batches failed: {error}");
        }
        standalone::redrive(Arc::clone(&self.sessionizer), &self.world).await;
    }

    /// Stops, after processing what the stream holds: at most `patience`, since everything is durable anyway.
    pub(crate) async fn stop(self, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        while self.world.ledger(None, SystemClock.now()).await?.stream_lag > 0
            && Instant::now() < until
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.running.stop.send_replace(true);
        let mut tasks = self.running.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            ended.context("a part of the suite stopped unexpectedly")?;
        }
        Ok(())
    }

    /// Pumps the stream into the processor.
    async fn pump(self, stopping: watch::Receiver<bool>) {
        let function = ProcessorFunction(Arc::clone(&self.processor));
        // An invocation costs a few turns of the writer and of this process's threads however large it is. Under load,
        // when the door takes most of both, larger and more of them are what keeps up.
        let settings = Settings { batch_size: ARCHIVE_EVENTS_MAX, ..Settings::of(CONSUMER) };
        let pump = Pump::new(self.world.clone(), function, SystemClock, settings);
        let (wake, woken) = watch::channel(());
        let mut appended = self.world.appended();
        let forward = async move {
            while appended.changed().await.is_ok() {
                wake.send_replace(());
            }
        };
        tokio::select! {
            pumped = Arc::new(pump).run(woken, stopping) => {
                if let Err(error) = pumped {
                    tracing::error!(%error, "the pump stopped: {error}");
                }
            }
            () = forward => {}
        }
    }

    /// Delivers an organisation's urgent events without waiting for the tick.
    async fn hurry(self, mut stopping: watch::Receiver<bool>) {
        let mut announcements = self.world.subscribe();
        let mut urgent = JoinSet::new();
        let waiting = Arc::new(Mutex::new(BTreeSet::new()));
        loop {
            let announced = tokio::select! {
                _ = stopping.changed() => break,
                announced = announcements.recv() => announced,
            };
            match announced {
                Ok(announcement) if announcement.kind == AnnouncementKind::OrgUrgent => {
                    // One waiting delivery takes everything that became urgent before it starts.
                    if waiting.lock().await.insert(announcement.org.clone()) {
                        let waiting = Arc::clone(&waiting);
                        urgent.spawn(self.clone().deliver_urgent(announcement.org, waiting));
                    }
                }
                // Whoever listens too slowly misses announcements; the tick delivers those.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
            while urgent.try_join_next().is_some() {}
        }
        urgent.shutdown().await;
    }
}

impl Suite {
    async fn deliver_urgent(self, org: OrgId, waiting: Arc<Mutex<BTreeSet<OrgId>>>) {
        // Rows are taken once they have settled: without this pause the event that is urgent would be left behind.
        let mut pause = self.urgent_settle;
        loop {
            tokio::time::sleep(pause).await;
            // What becomes urgent from here on may come too late for this delivery, and gets one of its own.
            waiting.lock().await.remove(&org);
            match self.batcher.urgent(&org).await {
                Ok(OrgReport { ended: Ended::Deferred(until), .. }) => {
                    let ms = until.since_ms(SystemClock.now()).max(1);
                    pause = Duration::from_millis(u64::try_from(ms).unwrap_or(1));
                }
                // Whoever holds the lease may have looked into staging before the urgent event was there.
                Ok(OrgReport { ended: Ended::Busy, .. }) => pause = BUSY_PAUSE,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "an urgent delivery failed, the tick will do it: {error}");
                    return;
                }
            }
            // One waits for an organisation, however many announcements there are meanwhile.
            if !waiting.lock().await.insert(org.clone()) {
                return;
            }
        }
    }
}

/// The machine's entropy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if let Err(error) = getrandom::fill(&mut bytes) {
            // Without entropy ids would repeat and one event would hide another: better no process than that.
            tracing::error!(%error, "the machine gives no random bytes");
            std::process::abort();
        }
        bytes
    }
}

/// The processor's name in checkpoints.
pub(crate) const CONSUMER: &str = "processor";
const SWEEP: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const INSTANCE: &str = "tribo-local";
const REGION: &str = "eu-central-1";
