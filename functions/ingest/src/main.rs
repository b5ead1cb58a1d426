//! Lambda entry point: read the settings, build the clients, serve.
#![recursion_limit = "256"]

use std::{process::ExitCode, sync::Arc};

use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
};
use ingest::{Ingest, config::Config, router};
use lambda_http::{Error, run};
use ports::clock::{SystemClock, SystemEntropy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::read(variable)?;
    let resources = Resources::read(NEEDED, variable)?;
    let cloud = Cloud::new(&Access::read(variable)?, resources);
    run(router(Arc::new(Ingest::new(cloud, SystemClock, SystemEntropy, config)))).await
}

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Reference,
    Resource::Keys,
    Resource::Stream,
    Resource::PseudonymSecret,
];
