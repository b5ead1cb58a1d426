//! Entry point: in Lambda over DynamoDB, on a machine over the embedded store.
#![recursion_limit = "256"]

use std::process::ExitCode;

use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
};
use contract::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::SystemClock;
use serde_json::value::RawValue;
use sessionizer::{
    Sessionizer,
    config::{Config, Place},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let config = &Config::read(variable)?;
    match &config.place {
        Place::Lambda => serve(config, variable).await,
        #[cfg(feature = "sqlite")]
        Place::Directory(path) => Ok(sessionizer::standalone::serve(path, config.policy).await?),
        #[cfg(not(feature = "sqlite"))]
        Place::Directory(_) => {
            Err("EVENTS_DDB_TABLE is not set, and this was built without sqlite".into())
        }
    }
}

async fn serve(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    let resources = Resources::read(NEEDED, &variable)?;
    let cloud = Cloud::new(&Access::read(&variable)?, resources);
    let sessionizer = &Sessionizer::new(cloud, SystemClock, config.policy);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        Ok::<_, Error>(sessionizer.invoke(event.payload.get(), deadline, config).await?)
    }))
    .await
}

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Sessions, Resource::OnFailure, Resource::Bus];
