//! Lambda entry point: build the clients, serve connections, the bus and ticks.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    connections::Connections,
    resources::{Resource, Resources},
};
use lambda_runtime::Error;
use live::{Live, config::connections_url, lambda::serve};
use ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let resources = Resources::read(NEEDED, variable)?;
    let access = Access::read(variable)?;
    let connections = Connections::new(&access, &connections_url(variable)?);
    serve(&Live::new(Cloud::new(&access, resources), connections, SystemClock)).await
}

const NEEDED: &[Resource] = &[Resource::Sessions, Resource::Keys, Resource::Bus];
