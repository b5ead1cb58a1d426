//! The warehouse's sink beside everything else, when there is one.

use std::sync::Arc;

use connector::warehouse::ClickHouse;
use embedded::Store;
use ports::clock::SystemClock;
use tokio::{sync::watch, task::JoinSet};
use warehouse::{
    Sink,
    standalone::{self, CONSUMER, Pace},
};

/// Feeds the warehouse. Without one the stream is not kept for it, and one that comes later begins with the oldest that
/// is there.
pub(super) async fn feed(
    client: Option<ClickHouse>,
    world: &Store,
    tasks: &mut JoinSet<()>,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    if let Some(client) = client {
        // From now on it is known that there is one, whether it can be reached or not.
        world.hear(CONSUMER, 0).await?;
        let sink = Arc::new(Sink::new(client, world.clone(), SystemClock));
        tasks.spawn(standalone::feed(sink, world.clone(), Pace::default(), stopping));
    } else if world.forget_consumer(CONSUMER).await? {
        tracing::warn!("the warehouse is not fed any more: none is named");
    }
    Ok(())
}
