//! Lambda entry point: connect the emitter while the host starts, then serve.

use std::process::ExitCode;

use aws::{
    access::Access,
    resources::{Resource, Resources},
};
use emitter::{DynamoDb, Emitter, SecretKey, Settings};
use emitter_example::{Verdict, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), serve()).await
}

async fn serve() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::from_env(variable)?;
    let names = Resources::read(NEEDED, variable)?;
    // A host brings its own clients; these are as good as any.
    let access = Access::read(variable)?;
    let (secret, organisations) =
        (names.name(Resource::PseudonymSecret)?, names.name(Resource::Reference)?);
    let keys = SecretKey::new(access.secrets(), secret, access.dynamodb(), organisations);
    let (staging, delivery) = (names.name(Resource::Staging)?, names.name(Resource::Delivery)?);
    let transport = DynamoDb::new(access.dynamodb(), staging, delivery);
    let emitter = &Emitter::connect(settings, keys, transport).await?;
    run(service_fn(async |event: LambdaEvent<Verdict>| {
        Ok::<_, Error>(handle(emitter, &event.payload).await)
    }))
    .await
}

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Reference, Resource::PseudonymSecret];
