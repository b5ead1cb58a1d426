//! `tribo local`: the suite as a long-running server on one machine.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use axum::middleware;
use connector::mock::Quirks;
use contract::OrgId;
use domain::api_key::Scope;
use ports::{
    clock::{Clock as _, SystemClock},
    keys::ApiKeys,
};
use tokio::{net::TcpListener, signal::unix, sync::watch, task::JoinSet};

use crate::{
    cli::LocalArgs,
    commands::keys,
    guard, open, output, routes,
    suite::{Suite, SuiteSettings, Target},
};

/// Serves until SIGTERM or SIGINT, then finishes what is under way.
pub(crate) async fn run(args: LocalArgs) -> anyhow::Result<u8> {
    let target = target(&args)?;
    let settings = SuiteSettings {
        shards: args.shards,
        profile: args.profile.clone(),
        rate_limit: args.rate_limit,
        target,
        ..SuiteSettings::new(&args.data_dir)
    };
    first_key(&args).await?;
    let suite = Suite::start(settings).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    announce(&suite, &args, address)?;
    let (stop, stopping) = watch::channel(false);
    let mut upkeep = JoinSet::new();
    upkeep.spawn(ticks(suite.clone(), args.tick, stopping.clone()));
    upkeep.spawn(maintenance(suite.clone(), stopping.clone()));
    let mut router = suite.router().merge(routes::router(suite.world.clone()));
    if address.ip().is_loopback() {
        router = router.layer(middleware::from_fn(guard::loopback_only));
    }
    let served = axum::serve(listener, router).with_graceful_shutdown(ended()).await;
    output::note("stopping: finishing what is under way");
    stop.send_replace(true);
    while upkeep.join_next().await.is_some() {}
    suite.stop(DRAIN).await?;
    served.context("the server failed")?;
    Ok(0)
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

/// The first start on loopback makes a key and shows it; anywhere else a key has to exist.
async fn first_key(args: &LocalArgs) -> anyhow::Result<()> {
    let world = open::or_create(&args.data_dir)?;
    let keys = ApiKeys::list(&world).await?;
    if keys.iter().any(|key| key.revoked_at.is_none()) {
        return Ok(());
    }
    if !args.listen.ip().is_loopback() {
        bail!(
            "{} is reachable from outside and no key exists: make one first with `tribo keys create --org ORG --data-dir {}`",
            args.listen,
            args.data_dir.display()
        );
    }
    let org = OrgId::parse(FIRST_ORG).context("the first organisation's name")?;
    let scopes = [Scope::Ingest, Scope::Read, Scope::Admin];
    let key = keys::create(&world, &org, &scopes, SystemClock.now()).await?;
    output::line(&format!("key of organisation {FIRST_ORG} (shown this once): {}", key.key))
}

fn announce(suite: &Suite, args: &LocalArgs, address: SocketAddr) -> anyhow::Result<()> {
    match (suite.mock(), &args.connector) {
        (Some(_), _) => output::line(
            "no connector is configured, or mock mode is on: deliveries go to the built-in mock",
        )?,
        (None, Some(url)) => output::line(&format!("deliveries go to {url} as {}", args.profile))?,
        (None, None) => {}
    }
    output::line(&format!("listening on http://{address}"))
}

/// Batches and delivers at every tick. A tick that takes longer delays the next one; none is made up for.
async fn ticks(suite: Suite, every: Duration, mut stopping: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick of an interval is at once: whatever waits from before the restart goes out.
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => suite.tick().await,
        }
    }
}

/// Expiry, retention and redrive, once a minute.
async fn maintenance(suite: Suite, mut stopping: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_secs(60));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            _ = interval.tick() => suite.maintain().await,
        }
    }
}

async fn ended() {
    let terminated = async {
        match unix::signal(unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM is not heard: {error}");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

const FIRST_ORG: &str = "default";
const DRAIN: Duration = Duration::from_secs(20);
