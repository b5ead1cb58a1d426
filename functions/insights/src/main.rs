//! Entry point: in Lambda over DynamoDB, on a machine over the embedded store.
#![recursion_limit = "256"]

use std::{process::ExitCode, sync::Arc};

use aws::{
    Cloud,
    access::Access,
    resources::{Resource, Resources},
};
use axum::Router;
use insights::{CursorKey, Insights, config::Place, lambda::Door, router};
use lambda_http::{Error, Request, run, service_fn};
use ports::{
    PortResult,
    clock::{SystemClock, SystemEntropy},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::run(std::env::var("METRICS_NAMESPACE").ok(), start()).await
}

async fn start() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    match Place::read(variable)? {
        Place::Lambda => {
            let cloud = Cloud::new(&Access::read(variable)?, Resources::read(NEEDED, variable)?);
            let (cloud, door) = (&cloud, &Door::new(SystemClock, SystemEntropy));
            run(service_fn(async |request: Request| {
                Ok::<_, Error>(door.answer(request, open(cloud)).await)
            }))
            .await
        }
        #[cfg(feature = "sqlite")]
        Place::Directory { path, listen } => {
            Ok(insights::standalone::serve(&path, listen, SystemEntropy).await?)
        }
        #[cfg(not(feature = "sqlite"))]
        Place::Directory { .. } => {
            Err("EVENTS_DDB_TABLE is not set, and this was built without sqlite".into())
        }
    }
}

async fn open(cloud: &Cloud) -> PortResult<Router> {
    let cursors = CursorKey::new(*cloud.cursor_key().await?);
    let app = Insights::new(cloud.clone(), SystemClock, SystemEntropy, cursors);
    Ok(router(Arc::new(app)))
}

const NEEDED: &[Resource] = &[
    Resource::Staging,
    Resource::Delivery,
    Resource::Dedupe,
    Resource::Counters,
    Resource::Reference,
    Resource::Keys,
    Resource::Sessions,
    Resource::Stream,
    Resource::Archive,
    Resource::OnFailure,
    Resource::CursorSecret,
];
