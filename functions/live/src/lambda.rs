//! Serving Lambda: the gateway's connections, the bus, and ticks of the schedule.

use contract::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::{clock::Clock, watches::Listeners};
use serde_json::Value;

use crate::{Live, World};

/// Serves invocations until the environment ends.
///
/// # Errors
/// The Runtime API is out of reach.
pub async fn serve<W: World, L: Listeners, C: Clock>(live: &Live<W, L, C>) -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        Ok::<_, Error>(live.handle(&event.payload, deadline).await?)
    }))
    .await
}
