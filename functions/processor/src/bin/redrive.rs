//! Lambda entry point of the schedule: what the event source mapping gave up is fed through the same handler once more.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    ledger::Lane,
    resources::{Resource, Resources},
};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::SystemClock;
use processor::Processor;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), serve()).await
}

async fn serve() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let resources = Resources::read(NEEDED, variable)?;
    let lane = Lane::of(&variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default());
    let cloud = Cloud::new(&Access::read(variable)?, resources).with_lane(lane);
    let processor = &Processor::new(cloud, SystemClock);
    run(service_fn(async |_: LambdaEvent<Value>| {
        let redriven = processor.redrive_held().await?;
        tracing::info!(
            target: "metrics",
            stage = "redrive",
            redriven = redriven.finished,
            redrive_left = redriven.left
        );
        Ok::<_, Error>(json!({"finished": redriven.finished, "left": redriven.left}))
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
    Resource::OnFailure,
    Resource::Bus,
    Resource::PseudonymSecret,
];
