//! The loop that a process lives in: one task per shard, woken by the stream or by time.

use std::{sync::Arc, time::Duration};

use ports::{
    PortError, PortResult,
    clock::Clock,
    stream::{Checkpoints, OnFailure, StreamSource},
};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    function::{FunctionError, StreamFunction},
    state::ShardState,
    step::{Pump, Step},
};

/// A function that is given up after a while, as Lambda's timeout does.
#[derive(Debug, Clone)]
pub struct Timed<F> {
    /// The function.
    pub function: F,
    /// How long one invocation may take.
    pub timeout: Duration,
}

impl<F: StreamFunction> StreamFunction for Timed<F> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        match tokio::time::timeout(self.timeout, self.function.invoke(payload)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(FunctionError::failed(elapsed)),
        }
    }
}

impl<S, F, C> Pump<S, F, C>
where
    S: StreamSource + Checkpoints + OnFailure + 'static,
    F: StreamFunction + 'static,
    C: Clock + 'static,
{
    /// Reads every shard until `shutdown` turns true (or its sender is gone), finishing the step under way. Each value
    /// sent through `wake` makes idle shards look at once; without it they look once per second, as Lambda does.
    pub async fn run<T: Send + Sync + 'static>(
        self: Arc<Self>,
        wake: watch::Receiver<T>,
        mut shutdown: watch::Receiver<bool>,
    ) -> PortResult<()> {
        let shards = loop {
            match self.shards().await {
                Ok(shards) => break shards,
                Err(error) => tracing::warn!(%error, "the shards cannot be listed"),
            }
            tokio::select! {
                () = stopped(&mut shutdown) => return Ok(()),
                () = tokio::time::sleep(POLL) => {}
            }
        };
        let mut tasks = JoinSet::new();
        for shard in shards {
            tasks.spawn(self.clone().run_shard(shard, wake.clone(), shutdown.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            // Dropping the set stops the other shards: a consumer that lost a shard should be seen to be down.
            ended.map_err(|error| PortError::permanent("pump.run", error))?;
        }
        Ok(())
    }

    async fn run_shard<T: Send + Sync + 'static>(
        self: Arc<Self>,
        shard: String,
        mut wake: watch::Receiver<T>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut state = ShardState::default();
        let mut errors = 0;
        while !*shutdown.borrow() && shutdown.has_changed().is_ok() {
            wake.mark_unchanged();
            let pause = match self.step(&shard, &mut state).await {
                Ok(step) => {
                    errors = 0;
                    pause(step)
                }
                Err(error) => {
                    errors += 1;
                    tracing::warn!(%error, pump.shard = %shard, "a step failed");
                    Pause::For(milliseconds(self.settings().backoff_ms(errors)))
                }
            };
            match pause {
                Pause::None => tokio::task::yield_now().await,
                Pause::For(duration) => tokio::select! {
                    () = stopped(&mut shutdown) => {}
                    () = tokio::time::sleep(duration) => {}
                },
                Pause::UntilWoken(duration) => tokio::select! {
                    () = stopped(&mut shutdown) => {}
                    () = woken(&mut wake) => {}
                    () = tokio::time::sleep(duration) => {}
                },
            }
        }
    }
}

/// How long a shard's task rests after a step.
enum Pause {
    None,
    /// New records do not help against what went wrong.
    For(Duration),
    UntilWoken(Duration),
}

fn pause(step: Step) -> Pause {
    match step {
        Step::Idle => Pause::UntilWoken(POLL),
        Step::Gathering(ms) => Pause::UntilWoken(milliseconds(ms)),
        Step::Progressed(_) | Step::GaveUp(..) | Step::RetryAfter(0) => Pause::None,
        Step::RetryAfter(ms) => Pause::For(milliseconds(ms)),
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, and with it everybody who could still stop this.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn woken<T>(wake: &mut watch::Receiver<T>) {
    if wake.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

const POLL: Duration = Duration::from_secs(1);
