//! The batcher: every few minutes, per organisation, staged events become numbered batches and batches reach the
//! connector, in order.
//!
//! ```text
//! tick ─► organisations, shuffled, 16 at a time ─► lease ─► form ─► deliver ─► release
//!                                                            │         │
//!                        staging ─► numbered batches ◄───────┘         └─► POST, verdict, settle, next
//! ```
//!
//! Forming never needs the connector, delivering never needs staging. An organisation is worked on by whoever holds its
//! lease; every write names the lease's fence, so that a holder who was paused for too long changes nothing. A batch
//! keeps its bytes and its idempotency key for ever, so that at worst the connector sees one batch twice.
//!
//! # Layout
//!
//! - [`Batcher`]: the handler; [`report`]: what it did, for people and for alarms
//! - `work`: one organisation under its lease; `forming`, `delivering`: the two phases
//! - `memory`: what is remembered between ticks; `wire`: the request; [`random`]: chance
//! - [`config`]: settings of the Lambda entry point; [`call`]: what invokes it
#![warn(missing_docs)]

pub mod call;
pub mod config;
mod delivering;
mod forming;
#[cfg(feature = "lambda")]
pub mod lambda;
mod memory;
pub mod random;
pub mod report;
mod wire;
mod work;

use contract::{OrgId, Timestamp};
use domain::{
    delivery::DeliveryPolicy,
    profile::{Profile, Sender},
};
use futures::{StreamExt, stream};
use ports::{
    PortResult,
    bus::Bus,
    clock::{Clock, Entropy},
    delivery::{Forming, Leases, Outbox},
    endpoint::{ConnectorSecrets, Endpoint},
    staging::Staging,
};
use tracing::Instrument as _;

use crate::{
    memory::Memory,
    random::SystemRandom,
    report::{Ended, OrgReport, TickReport},
};

/// Everything the batcher needs of the world.
pub trait World: Leases + Forming + Outbox + Staging + Bus {}

impl<W: Leases + Forming + Outbox + Staging + Bus> World for W {}

/// The connector's side.
pub trait Connector: Endpoint + ConnectorSecrets {}

impl<E: Endpoint + ConnectorSecrets> Connector for E {}

/// What is sent, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The connector's dialect.
    pub profile: Profile,
    /// Every duration.
    pub policy: DeliveryPolicy,
    /// Who sends.
    pub sender: Sender,
}

/// The handler of ticks.
#[derive(Debug)]
pub struct Batcher<W, E, C, R = SystemRandom> {
    world: W,
    connector: E,
    clock: C,
    random: R,
    settings: Settings,
    memory: Memory,
}

impl<W: World, E: Connector, C: Clock> Batcher<W, E, C> {
    /// A batcher that takes its chance from the system.
    pub fn new(world: W, connector: E, clock: C, settings: Settings) -> Self {
        Self::with_random(world, connector, clock, SystemRandom, settings)
    }
}

impl<W: World, E: Connector, C: Clock, R: Entropy> Batcher<W, E, C, R> {
    /// A batcher that takes its chance from `random`.
    pub fn with_random(world: W, connector: E, clock: C, random: R, settings: Settings) -> Self {
        Self { world, connector, clock, random, settings, memory: Memory::default() }
    }

    /// Works on every organisation once. Overlapping ticks are harmless: an organisation has one holder. Without a
    /// deadline a tick ends after the policy's budget; nothing starts that would not end before the deadline.
    ///
    /// # Errors
    /// The organisations could not be listed. What fails for one organisation is in its report and in the log.
    pub async fn tick(&self, deadline: Option<Timestamp>) -> PortResult<TickReport> {
        let started = self.clock.now();
        let budget = started.plus_ms(self.settings.policy.tick_budget_ms);
        let deadline = deadline.map_or(budget, |deadline| deadline.min(budget));
        let orgs = self.shuffled(self.world.organisations().await?);
        let settle_ms = self.settings.policy.settle_ms;
        let mut report = TickReport::default();
        // Every line that this tick logs, for whichever organisation, carries its start.
        let span = tracing::info_span!("tick", tick.started_at = %started);
        let mut working = stream::iter(orgs)
            .map(|org| self.work(org, deadline, settle_ms).instrument(span.clone()))
            .buffer_unordered(self.settings.policy.orgs_at_once.max(1));
        while let Some(org) = working.next().await {
            report.add(&org);
        }
        report.duration_ms = self.clock.now().since_ms(started);
        report.tell();
        Ok(report)
    }

    /// Works on one organisation without waiting for the tick, under the same lease and in the same order, at most once
    /// per interval: a call that comes too early answers [`Ended::Deferred`] with the time from which it may be
    /// repeated.
    ///
    /// # Errors
    /// The store failed; the next tick goes on.
    pub async fn urgent(&self, org: &OrgId) -> PortResult<OrgReport> {
        let policy = &self.settings.policy;
        let now = self.clock.now();
        if let Some(until) = self.memory.defers(org, now, policy.urgent_interval_ms) {
            return Ok(OrgReport::ended(org.clone(), Ended::Deferred(until)));
        }
        let deadline = now.plus_ms(policy.tick_budget_ms);
        let report = self.work(org.clone(), deadline, policy.urgent_settle_ms).await;
        report.tell();
        if let Ended::Failed(error) = report.ended {
            return Err(error);
        }
        Ok(report)
    }

    /// Nobody is first in every tick.
    fn shuffled(&self, mut orgs: Vec<OrgId>) -> Vec<OrgId> {
        for at in (1..orgs.len()).rev() {
            let bound = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
            let other = usize::try_from(self.chance() % bound).unwrap_or(0);
            orgs.swap(at, other);
        }
        orgs
    }

    fn chance(&self) -> u64 {
        self.random.bytes().first_chunk().copied().map_or(0, u64::from_le_bytes)
    }
}
