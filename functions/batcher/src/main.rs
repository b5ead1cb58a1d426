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
    Batcher,
    config::{Config, Target},
    lambda::serve,
    random::SystemRandom,
};
use connector::{
    HttpEndpoint,
    mock::{MockConnector, Quirks},
};
use lambda_runtime::Error;
use ports::clock::{Entropy, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
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
            let endpoint = HttpEndpoint::new(base, secrets, &settings.policy)?;
            serve(&Batcher::new(cloud, endpoint, SystemClock, settings)).await
        }
        Target::Mock => {
            tracing::warn!("deliveries go to the built-in mock: no connector is configured");
            let (profile, seed) = (&settings.profile, SystemRandom.bytes());
            let mock = MockConnector::start(profile, Quirks::default(), SystemClock, seed).await?;
            let endpoint = mock.endpoint(&settings.policy)?;
            serve(&Batcher::new(cloud, endpoint, SystemClock, settings)).await
        }
    }
}

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Dedupe, Resource::Bus];
