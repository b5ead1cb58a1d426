//! Lambda entry point: read the settings, build the clients, serve ticks and urgent organisations.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
    secrets::{Reference, StoredCredentials},
};
use batcher::{
    Batcher, Connector, Settings,
    call::Call,
    config::{Config, Target},
    random::SystemRandom,
};
use connector::{
    HttpEndpoint,
    mock::{MockConnector, Quirks},
};
use contract::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::{Entropy, SystemClock};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::init(telemetry::Format::Json, "info");
    telemetry::set_namespace(std::env::var("METRICS_NAMESPACE").ok());
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let Config { target, settings } = Config::read(variable)?;
    let resources = Resources::read(NEEDED, variable)?;
    let cloud = Cloud::new(&Access::read(variable)?, resources);
    match target {
        Target::Connector { base, key, signing } => {
            let [key, signing] = [key, signing].map(|set| Reference::parse(set.reveal()));
            let secrets = StoredCredentials::new(cloud.clone(), key, signing);
            serve(cloud, HttpEndpoint::new(base, secrets, &settings.policy)?, settings).await
        }
        Target::Mock => {
            tracing::warn!("deliveries go to the built-in mock: no connector is configured");
            let (profile, seed) = (&settings.profile, SystemRandom.bytes());
            let mock = MockConnector::start(profile, Quirks::default(), SystemClock, seed).await?;
            serve(cloud, mock.endpoint(&settings.policy)?, settings).await
        }
    }
}

async fn serve<E: Connector>(cloud: Cloud, endpoint: E, settings: Settings) -> Result<(), Error> {
    let batcher = &Batcher::new(cloud, endpoint, SystemClock, settings);
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

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Dedupe, Resource::Bus];
