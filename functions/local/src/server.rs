//! `tribo local`: the suite as a long-running server on one machine.

use std::{fs::File, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use axum::middleware;
use connector::mock::Quirks;
use contract::{OrgId, command::CreatedKey};
use domain::{api_key::Scope, delivery::DeliveryPolicy};
use friction::policy::SessionPolicy;
use ports::{
    clock::{Clock as _, SystemClock},
    keys::ApiKeys,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{self, SignalKind},
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, timeout, timeout_at},
};

use crate::{
    cli::LocalArgs,
    commands::keys,
    guard,
    listening::{self, Limits},
    open, output, routes,
    suite::{SIGNING_SECRET, Suite, SuiteSettings, Target},
};

/// Serves until SIGTERM or SIGINT, then finishes what is under way.
pub(crate) async fn run(args: LocalArgs) -> anyhow::Result<u8> {
    let settings = settings(&args)?;
    let ended = ended().context("signals cannot be heard")?;
    let _lock = only_server(&args.data_dir)?;
    let has_key = has_key(&args).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let suite = Suite::start(settings).await?;
    // The lock says that no other server runs here: leases of one that was killed hold nobody up.
    suite.world.end_leases().await?;
    // Only now: a key that is made by a start that fails is shown to nobody.
    let first_key = if has_key { None } else { Some(first_key(&suite).await?) };
    announce(&suite, &args, address, first_key)?;
    let (stop, stopping) = watch::channel(false);
    let mut upkeep = JoinSet::new();
    upkeep.spawn(ticks(suite.clone(), args.tick, args.settle, stopping.clone()));
    upkeep.spawn(maintenance(suite.clone(), stopping.clone()));
    let operator = routes::router(suite.world.clone());
    let mut router = suite.router().merge(suite.insights()?).merge(operator);
    if address.ip().is_loopback() {
        router = router.layer(middleware::from_fn(guard::loopback_only));
    }
    let limits = Limits::of(args.connections);
    let mut serving = tokio::spawn(listening::serve(listener, router, limits, stopping));
    let failed = tokio::select! {
        () = ended => None,
        served = &mut serving => Some(served),
    };
    output::note("stopping: finishing what is under way");
    stop.send_replace(true);
    let until = Instant::now() + DRAIN;
    // Whoever does not finish a request in time, and a delivery that hangs, is left: all that counts is durable.
    let served = match failed {
        Some(served) => served,
        None => timeout(ANSWERING, serving).await.unwrap_or(Ok(())),
    };
    if timeout_at(until, async { while upkeep.join_next().await.is_some() {} }).await.is_err() {
        upkeep.shutdown().await;
    }
    suite.stop(until.saturating_duration_since(Instant::now())).await?;
    served.context("the server stopped unexpectedly")?;
    Ok(0)
}

fn settings(args: &LocalArgs) -> anyhow::Result<SuiteSettings> {
    let ms = |duration: Duration| i64::try_from(duration.as_millis());
    let usual = SuiteSettings::new(&args.data_dir);
    let policy = DeliveryPolicy {
        settle_ms: ms(args.settle)?,
        backoff_min_ms: ms(args.backoff)?,
        ..usual.policy
    };
    let sessions = SessionPolicy { grace_ms: ms(args.session_grace)?, ..usual.sessions };
    Ok(SuiteSettings {
        sessions,
        sweep: usual.sweep.min(args.session_grace.max(SWEEP_MIN)),
        shards: args.shards,
        profile: args.profile.clone(),
        rate_limit: args.rate_limit,
        target: target(args)?,
        policy,
        warehouse: args.warehouse.client().context("--warehouse")?,
        ..usual
    })
}

/// Two servers on one directory would process and deliver side by side. Operators' commands need no lock, but for what a
/// server would take away under their hands.
pub(crate) fn only_server(data_dir: &Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot write to {}", data_dir.display());
    match embedded::serve_alone(data_dir).with_context(cannot)? {
        Some(lock) => Ok(lock),
        None => bail!("another server runs on {}: stop it first", data_dir.display()),
    }
}

fn target(args: &LocalArgs) -> anyhow::Result<Target> {
    if args.mock == Some(true) {
        return Ok(Target::Mock(Quirks::default()));
    }
    match (&args.connector, &args.connector_key) {
        (Some(url), Some(key)) => Ok(Target::Connector {
            url: url.clone(),
            key: key.clone(),
            secrets: args.connector_secret.clone(),
        }),
        (None, None) if args.mock.is_none() => Ok(Target::Mock(Quirks::default())),
        (None, _) => bail!("a connector needs its URL: --connector or FRICTIONMELT_API_URL"),
        (Some(_), None) => {
            bail!("a connector needs its key: --connector-key or FRICTIONMELT_API_KEY")
        }
    }
}

/// Whether a key exists. The first start on loopback makes one; anywhere else there has to be one.
async fn has_key(args: &LocalArgs) -> anyhow::Result<bool> {
    let keys = ApiKeys::list(&open::or_create(&args.data_dir)?).await?;
    let has_key = keys.iter().any(|key| key.revoked_at.is_none());
    if !has_key && !args.listen.ip().is_loopback() {
        bail!(
            "{} is reachable from outside and no key exists: make one first with `tribo keys create --org ORG --data-dir {}`",
            args.listen,
            args.data_dir.display()
        );
    }
    Ok(has_key)
}

async fn first_key(suite: &Suite) -> anyhow::Result<CreatedKey> {
    let org = OrgId::parse(FIRST_ORG).context("the first organisation's name")?;
    let scopes = [Scope::Ingest, Scope::Read, Scope::Admin];
    keys::create(&suite.world, &org, &scopes, SystemClock.now()).await
}

fn announce(
    suite: &Suite,
    args: &LocalArgs,
    address: SocketAddr,
    first_key: Option<CreatedKey>,
) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    let connector = args.connector.as_deref().filter(|_| suite.mock().is_none());
    if args.json {
        return output::json(&json!({
            "url": url,
            "dataDir": args.data_dir,
            "connector": connector.unwrap_or("mock"),
            "profile": args.profile,
            "firstKey": first_key,
        }));
    }
    if let Some(key) = first_key {
        output::line(&format!("key of organisation {} (shown this once): {}", key.org, key.key))?;
    }
    match connector {
        None => output::line(
            "no connector is configured, or mock mode is on: deliveries go to the built-in mock",
        )?,
        Some(connector) => {
            output::line(&format!("deliveries go to {connector} as {}", args.profile))?;
            if args.connector_secret.is_empty() {
                let secret = args.data_dir.join(SIGNING_SECRET);
                output::line(&format!("the secret that signs them lies in {}", secret.display()))?;
            }
        }
    }
    output::line(&format!("listening on {url}"))
}

/// Batches and delivers at every tick. A tick that takes long, since one organisation's connector hangs, overlaps with
/// the next ones, which serve the other organisations.
async fn ticks(
    suite: Suite,
    every: Duration,
    settle: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, for what waits from before the restart; what came right before it has to settle first.
    let settled = tokio::time::sleep(settle);
    tokio::pin!(settled);
    let mut is_settled = false;
    let mut ticking = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            _ = interval.tick() => {}
            () = &mut settled, if !is_settled => is_settled = true,
        }
        while ticking.try_join_next().is_some() {}
        if ticking.len() < TICKS_AT_ONCE {
            let suite = suite.clone();
            ticking.spawn(async move { suite.tick().await });
        }
    }
    while ticking.join_next().await.is_some() {}
}

/// Expiry, retention and redrive, once a minute.
async fn maintenance(suite: Suite, mut stopping: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_secs(60));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => suite.maintain().await,
        }
    }
}

/// Listens for SIGTERM and SIGINT from now on; the answer waits for one.
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = unix::signal(SignalKind::terminate())?;
    let mut interrupt = unix::signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

const FIRST_ORG: &str = "default";
const SWEEP_MIN: Duration = Duration::from_millis(500);
const TICKS_AT_ONCE: usize = 8;
/// How long requests under way may take to be answered after a stop.
const ANSWERING: Duration = Duration::from_secs(3);
/// How long everything else may take to be finished after a stop.
const DRAIN: Duration = Duration::from_secs(20);
