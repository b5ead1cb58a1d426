//! Serving Lambda: ticks of the schedule, and organisations that the bus calls urgent.

use contract::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::clock::Clock;
use serde_json::Value;

use crate::{Batcher, Connector, World, call::Call};

/// Serves invocations until the environment ends.
///
/// # Errors
/// The Runtime API is out of reach.
pub async fn serve<W: World, E: Connector, C: Clock>(
    batcher: &Batcher<W, E, C>,
) -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = i64::try_from(event.context.deadline).map(Timestamp::from_ms).ok();
        match Call::of(&event.payload) {
            Call::Tick => drop(batcher.tick(deadline).await?),
            Call::Urgent(org) => drop(batcher.urgent(&org).await?),
        }
        Ok::<_, Error>(())
    }))
    .await
}
