//! Any implementation of the ports, failing on command: before its effect, after it, or half-way through.
//!
//! A [`Faulty`] world and its clones share one [`FaultPlan`]. Every call asks the plan first and names itself
//! `port.method`, as in `ledger.commit`. [`Hands`] and [`Counter`] are the time and the chance that go with it.

mod counting;
mod delivery;
mod door;
mod hands;
mod plan;
mod reading;
mod sessions;
mod stream;
mod understanding;
mod watches;

use std::{fmt, pin::Pin, sync::Arc};

pub use hands::{Counter, Hands};
pub use plan::{Fault, FaultPlan, Rates};

pub use crate::steps::{Pause, complete};
use crate::{PortError, PortResult};

/// A world that fails as its plan says.
#[derive(Clone)]
pub struct Faulty<W> {
    world: W,
    plan: FaultPlan,
    catch_up: Option<CatchUp>,
}

/// What a test does on behalf of the world before anybody reads the stream.
pub type CatchUp = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl<W: fmt::Debug> fmt::Debug for Faulty<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("world", &self.world)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl<W> Faulty<W> {
    /// `world`, failing as `plan` says.
    #[must_use]
    pub fn new(world: W, plan: FaultPlan) -> Self {
        Self { world, plan, catch_up: None }
    }

    /// The same, calling `catch_up` before anybody reads the stream: where change records reach it by another process,
    /// a test brings them there.
    #[must_use]
    pub fn catching_up(self, catch_up: CatchUp) -> Self {
        Self { catch_up: Some(catch_up), ..self }
    }

    /// Calls what [`Self::catching_up`] was given.
    pub async fn caught_up(&self) {
        if let Some(catch_up) = &self.catch_up {
            catch_up().await;
        }
    }

    /// The world without faults.
    #[must_use]
    pub fn world(&self) -> &W {
        &self.world
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// One call of a method that works on one thing: half-way does not exist, and is taken for a lost answer.
    async fn call<T, F>(
        &self,
        operation: &'static str,
        run: impl FnOnce() -> F + Send,
    ) -> PortResult<T>
    where
        T: Send,
        F: Future<Output = PortResult<T>> + Send,
    {
        match self.plan.next(operation) {
            Fault::Pass => self.run(run).await,
            Fault::Before => self.refuse(operation).await,
            Fault::Permanent => self.forbid(operation).await,
            Fault::After | Fault::Partial => {
                self.run(run).await?;
                Err(lost(operation))
            }
        }
    }

    /// One call of a method that works on several things: half-way it works on the first of them and then fails.
    async fn call_each<I, T, F>(
        &self,
        operation: &'static str,
        items: &[I],
        run: impl Fn(Vec<I>) -> F + Send + Sync,
    ) -> PortResult<T>
    where
        I: Clone + Send + Sync,
        T: Send,
        F: Future<Output = PortResult<T>> + Send,
    {
        match self.plan.next(operation) {
            Fault::Pass => self.run(|| run(items.to_vec())).await,
            Fault::Before => self.refuse(operation).await,
            Fault::Permanent => self.forbid(operation).await,
            Fault::After => {
                self.run(|| run(items.to_vec())).await?;
                Err(lost(operation))
            }
            Fault::Partial => {
                let some = items.iter().take(self.plan.below(items.len())).cloned().collect();
                self.run(|| run(some)).await?;
                Err(lost(operation))
            }
        }
    }

    async fn run<T, F: Future<Output = T> + Send>(&self, run: impl FnOnce() -> F + Send) -> T {
        if !self.plan.is_stepwise() {
            return run().await;
        }
        Pause::default().await;
        let answer = complete(run());
        Pause::default().await;
        answer
    }

    async fn refuse<T>(&self, operation: &'static str) -> PortResult<T> {
        self.rest().await;
        Err(PortError::transient(operation, Injected { when: "before its effect" }))
    }

    async fn forbid<T>(&self, operation: &'static str) -> PortResult<T> {
        self.rest().await;
        Err(PortError::permanent(operation, Injected { when: "before its effect, for good" }))
    }

    async fn rest(&self) {
        if self.plan.is_stepwise() {
            Pause::default().await;
        }
    }
}

fn lost(operation: &'static str) -> PortError {
    PortError::transient(operation, Injected { when: "after its effect" })
}

/// The cause of every error that a plan injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault was injected {when}")]
pub struct Injected {
    when: &'static str,
}

/// Passes every method of a port on to the world, through [`Faulty::call`].
macro_rules! decorate {
    ($port:literal, $trait:path { $(fn $method:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)* }) => {
        impl<W: $trait> $trait for $crate::faulty::Faulty<W> {
            $(async fn $method(&self, $($argument: $kind),*) -> $crate::PortResult<$answer> {
                self.call(concat!($port, ".", stringify!($method)), || {
                    <W as $trait>::$method(&self.world, $($argument),*)
                })
                .await
            })*
        }
    };
}
use decorate;
