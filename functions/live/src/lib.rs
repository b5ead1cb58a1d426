//! A session's context as it changes, told to those who listen behind a gateway for WebSockets.
//!
//! ```text
//! $connect   ─► key, session ─► keep a watch ─► announce, so that the first context follows
//! message    ─► what was seen ─► turn ─► context ─► post what is newer
//! bus, tick  ─► watches ─► key again ─► turn ─► context ─► post what changed ─► keep its digest
//! ```
//!
//! The function holds nothing open and remembers nothing: who listens is kept with the sessions, and what was told as a
//! digest of it. Whatever is lost on the way, an announcement or an invocation, is made up for by the next minute. Two that
//! tell one listener at once take turns ([`ports::watches`]), so that what is told last is what the log holds.
//!
//! # Layout
//!
//! - [`Live`]: the handler; [`call`]: what invokes it
//! - `opening`: who may listen; `telling`: what is told; `tick`: what runs every minute
//! - `report`: logs and metrics; [`config`]: settings of the Lambda entry point
#![warn(missing_docs)]

pub mod call;
pub mod config;
#[cfg(feature = "lambda")]
pub mod lambda;
mod opening;
mod report;
mod telling;
mod tick;

use contract::Timestamp;
use friction::owner::Owner;
use ports::{
    PortResult,
    bus::Bus,
    clock::Clock,
    keys::ApiKeys,
    projections::Projections,
    sessions::{EventLog, Heads, Understanding},
    watches::{Listeners, Turns, Watch, Watched, Watches},
};
use serde_json::{Value, json};

pub use tick::TickReport;

use crate::{call::Call, telling::Occasion};

/// Everything the function needs of the world.
pub trait World:
    Understanding + EventLog + Heads + Projections + ApiKeys + Bus + Watches + Watched + Turns
{
}

impl<W> World for W where
    W: Understanding + EventLog + Heads + Projections + ApiKeys + Bus + Watches + Watched + Turns
{
}

/// The handler.
#[derive(Debug)]
pub struct Live<W, L, C> {
    world: W,
    listeners: L,
    clock: C,
}

impl<W: World, L: Listeners, C: Clock> Live<W, L, C> {
    /// A handler that reaches whoever listens through `listeners`.
    pub fn new(world: W, listeners: L, clock: C) -> Self {
        Self { world, listeners, clock }
    }

    /// Handles an invocation; the answer is the gateway's. Nothing that is started would end after `deadline`.
    ///
    /// # Errors
    /// The world failed. What is told to somebody is told by the next minute at the latest.
    pub async fn handle(&self, payload: &Value, deadline: Option<Timestamp>) -> PortResult<Value> {
        let deadline = deadline.unwrap_or_else(|| self.clock.now().plus_ms(TURN_MS));
        match Call::of(payload) {
            Call::Connect(connect) => return Ok(self.open(&connect).await),
            Call::Message { connection, text } => self.hear(&connection, &text, deadline).await?,
            Call::Disconnect { connection } => self.world.unwatch(&connection).await?,
            Call::Updated(owner) => self.update(&owner, deadline).await?,
            Call::Tick => drop(self.tick(deadline).await?),
        }
        Ok(json!({"statusCode": 200}))
    }

    /// What somebody says is that it is there, and what it has seen. A gateway hangs up without a word: whoever says what cannot
    /// be meant is told why before.
    async fn hear(&self, connection: &str, text: &str, deadline: Timestamp) -> PortResult<()> {
        let Some(watch) = self.world.watch_of(connection).await? else {
            // Nobody whom we know. Whoever it is has to come back.
            return self.listeners.hang_up(connection).await;
        };
        match insights::listening::said(text) {
            Ok(seen) => self.tell(&watch, &Occasion::Asked(seen), deadline).await,
            Err(refusal) => {
                let problem = refusal.problem();
                report::misheard(problem.code);
                let text = serde_json::to_string(problem).unwrap_or_default();
                // Whoever is gone by now is forgotten like everybody who is hung up on.
                self.listeners.post(&watch.connection, &text).await?;
                self.drop_watch(&watch).await
            }
        }
    }

    /// Tells everybody who listens to sessions of `owner`. One that cannot be told keeps nobody waiting.
    async fn update(&self, owner: &Owner, deadline: Timestamp) -> PortResult<()> {
        let watches = self.world.watches(owner).await?;
        let told = futures::future::join_all(
            watches
                .into_iter()
                .map(|watch| async move { self.tell(&watch, &Occasion::Changed, deadline).await }),
        );
        told.await.into_iter().collect()
    }

    /// Ends what should not go on.
    async fn drop_watch(&self, watch: &Watch) -> PortResult<()> {
        self.listeners.hang_up(&watch.connection).await?;
        self.world.unwatch(&watch.connection).await
    }
}

/// How long a turn at telling may take: longer than an invocation.
pub(crate) const TURN_MS: i64 = 30_000;
