//! Lambda entry point of the stream: read the settings, build the clients, serve.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    ledger::Lane,
    resources::{Resource, Resources},
};
use contract::{Timestamp, kinesis::RecordBatch};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::SystemClock;
use processor::{Processor, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), serve()).await
}

async fn serve() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = Config::read(variable)?;
    let resources = Resources::read(NEEDED, variable)?;
    let lane = Lane::of(&variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default());
    let cloud = Cloud::new(&Access::read(variable)?, resources).with_lane(lane);
    let processor = &Processor::new(cloud, SystemClock);
    run(service_fn(async |event: LambdaEvent<RecordBatch>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        processor.invoke(&event.payload, deadline, config).await
    }))
    .await
}

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Counters,
    Resource::Reference,
    Resource::Sessions,
    Resource::Archive,
    Resource::Quarantine,
    Resource::Bus,
    Resource::PseudonymSecret,
];
