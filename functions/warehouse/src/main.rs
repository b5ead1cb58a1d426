//! Lambda entry point: read the settings, build the clients, serve the stream and the bus.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
};
use connector::warehouse::ClickHouse;
use lambda_runtime::Error;
use ports::clock::SystemClock;
use warehouse::{
    Sink,
    config::Config,
    lambda::{StoredPassword, serve},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let Config { warehouse, password, backoff } = Config::read(variable)?;
    let resources = Resources::read(&[Resource::Archive], variable)?;
    let cloud = Cloud::new(&Access::read(variable)?, resources);
    let password = StoredPassword::new(cloud.clone(), password.reveal());
    let sink = Sink::new(ClickHouse::new(warehouse, password)?, cloud, SystemClock);
    serve(&sink, backoff).await
}
