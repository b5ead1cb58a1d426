//! Lambda entry point: read the settings, open the store, connect, serve ticks and urgent organisations.

use batcher::{
    Batcher,
    call::Call,
    config::{Config, Target},
    random::SystemRandom,
};
use connector::{
    HttpEndpoint,
    mock::{MockConnector, Quirks},
};
use contract::Timestamp;
use embedded::{Options, Store};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::{Entropy, SystemClock};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(telemetry::Format::Json, "info");
    let opened = open().await;
    let (batcher, _mock) =
        &opened.inspect_err(|error| tracing::error!("refusing to start: {error}"))?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        match Call::of(&event.payload) {
            Call::Tick => drop(batcher.tick(deadline).await?),
            Call::Urgent(org) => drop(batcher.urgent(&org).await?),
        }
        Ok::<_, Error>(())
    }))
    .await
}

type Opened = (Batcher<Store, HttpEndpoint, SystemClock>, Option<MockConnector>);

async fn open() -> Result<Opened, Error> {
    let Config { store, target, settings } = Config::read(|name| std::env::var(name).ok())?;
    let (endpoint, mock) = match target {
        Target::Connector { base, secrets } => {
            (HttpEndpoint::new(base, secrets, &settings.policy)?, None)
        }
        Target::Mock => {
            tracing::warn!("deliveries go to the built-in mock: no connector is configured");
            let (profile, seed) = (&settings.profile, SystemRandom.bytes());
            let mock = MockConnector::start(profile, Quirks::default(), SystemClock, seed).await?;
            (mock.endpoint(&settings.policy)?, Some(mock))
        }
    };
    let store = Store::open(&store, Options::default())?;
    Ok((Batcher::new(store, endpoint, SystemClock, settings), mock))
}
