//! Lambda entry point: read the settings, open the store, serve.

use std::process::ExitCode;

use contract::{Timestamp, kinesis::RecordBatch};
use embedded::{Options, Store};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::{clock::SystemClock, keys::PseudonymKeys};
use processor::{Invocation, Processor, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::init(telemetry::Format::Json, "info");
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Error> {
    let config = Config::read(|name| std::env::var(name).ok())?;
    let store = Store::open(&config.store, Options::default())?;
    // Without it poison could not be set aside: better no start than a stuck shard.
    store.seal_key().await?;
    let processor = &Processor::new(store, SystemClock);
    run(service_fn(async |event: LambdaEvent<RecordBatch>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        let invocation = Invocation { deadline, force_quarantine: false };
        processor.handle(&event.payload, &invocation).await
    }))
    .await
}
