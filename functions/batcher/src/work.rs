//! One organisation, under its lease: form, deliver, release.

use contract::{OrgId, Timestamp};
use domain::breaker::Breaker;
use ports::{
    PortResult,
    bus::Announcement,
    clock::{Clock, Entropy},
    delivery::Lease,
};

use crate::{
    Batcher, Connector, World,
    report::{Ended, OrgReport, Work},
};

/// The lease on one organisation while it is worked on.
#[derive(Debug)]
pub(crate) struct Shift {
    pub(crate) lease: Lease,
    pub(crate) breaker: Breaker,
    /// No request starts after this.
    pub(crate) ends_at: Timestamp,
    /// Rows staged later than so many ms ago are left alone.
    pub(crate) settle_ms: i64,
    pub(crate) work: Work,
    /// What is to be announced at the end.
    pub(crate) announcements: Vec<Announcement>,
}

/// Whether the work may go on.
#[derive(Debug)]
pub(crate) enum Step {
    GoOn,
    End(Ended),
}

impl<W: World, E: Connector, C: Clock, R: Entropy> Batcher<W, E, C, R> {
    pub(crate) async fn work(&self, org: OrgId, deadline: Timestamp, settle_ms: i64) -> OrgReport {
        let now = self.clock.now();
        let policy = &self.settings.policy;
        let last_start = deadline.plus_ms(-policy.deadline_reserve_ms);
        if now > last_start {
            return OrgReport::ended(org, Ended::OutOfTime);
        }
        let until = now.plus_ms(policy.lease_ms);
        let lease = match self.world.acquire(&org, now, until).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return OrgReport::ended(org, Ended::Busy),
            Err(error) => return OrgReport::ended(org, Ended::Failed(error)),
        };
        let breaker = lease.breaker;
        let ends_at = now.plus_ms(policy.org_budget_ms).min(last_start);
        let (work, announcements) = Default::default();
        let mut shift = Shift { lease, breaker, ends_at, settle_ms, work, announcements };
        let ended = match self.shift(&mut shift).await {
            Ok(ended) => ended,
            Err(error) => Ended::Failed(error),
        };
        self.announce(&shift.announcements).await;
        let oldest_ms = self.oldest_ms(&org, &ended).await;
        // A lease that is not given back expires: the next tick but one goes on.
        if let Err(error) = self.world.release(&shift.lease, shift.breaker).await {
            tracing::warn!(%org, %error, "the lease of {org} was not given back: {error}");
        }
        OrgReport { org, work: shift.work, ended, oldest_ms }
    }

    async fn shift(&self, shift: &mut Shift) -> PortResult<Ended> {
        // Forming gets half of the time at most, so that a long backlog does not keep formed batches waiting.
        let now = self.clock.now();
        let half = now.plus_ms(shift.ends_at.since_ms(now) / 2);
        if let Step::End(ended) = self.form(shift, half).await? {
            return Ok(ended);
        }
        self.deliver(shift).await
    }

    /// Keeps the lease for at least one more request; ends when it was lost.
    pub(crate) async fn keep(&self, shift: &mut Shift) -> PortResult<Step> {
        let now = self.clock.now();
        let policy = &self.settings.policy;
        if shift.lease.until.since_ms(now) >= policy.lease_renew_below_ms {
            return Ok(Step::GoOn);
        }
        let until = now.plus_ms(policy.lease_ms);
        if !self.world.renew(&shift.lease, until).await? {
            return Ok(Step::End(Ended::LeaseLost));
        }
        shift.lease.until = until;
        Ok(Step::GoOn)
    }

    /// The facts are in the books already; whoever listens too late finds them there.
    async fn announce(&self, announcements: &[Announcement]) {
        if announcements.is_empty() {
            return;
        }
        if let Err(error) = self.world.publish(announcements).await {
            tracing::warn!(%error, "announcements were not published: {error}");
        }
    }

    /// Only an observation: a failure to read it is no failure.
    async fn oldest_ms(&self, org: &OrgId, ended: &Ended) -> i64 {
        if matches!(ended, Ended::Done) {
            return 0;
        }
        match self.world.head(org).await {
            Ok(Some(head)) => self.clock.now().since_ms(head.formed_at).max(0),
            Ok(None) | Err(_) => 0,
        }
    }
}
