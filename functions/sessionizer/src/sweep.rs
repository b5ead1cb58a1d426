//! What runs every minute: looks at every owner whose time has come, and announces what was committed.

use contract::Timestamp;
use futures::future::join_all;
use ports::{PortResult, clock::Clock, sessions::Lane};

use crate::{Sessionizer, World, look::Shelf, report};

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Owners looked at.
    pub owners: usize,
    /// Revisions of sessions that were closed.
    pub closed: usize,
    /// Sessions that turned out to be parts of others.
    pub superseded: usize,
    /// Incidents found.
    pub incidents: usize,
    /// Incidents that turned out not to be ones.
    pub retracted: usize,
    /// Owners to whom something came meanwhile; the next sweep looks at them.
    pub stale: usize,
    /// Owners that could not be looked at; the next sweep does.
    pub failed: usize,
    /// Notices announced.
    pub notices: usize,
}

impl<W: World, C: Clock> Sessionizer<W, C> {
    /// Looks at every owner of `lane` whose time has come by now, until `deadline`, and announces what was committed.
    /// Sweeps may overlap: what one commits makes the other's commit stale.
    ///
    /// # Errors
    /// Nobody can be found, or nothing can be announced. What was committed stays and is announced by the next sweep.
    pub async fn sweep(&self, lane: Lane, deadline: Option<Timestamp>) -> PortResult<SweepReport> {
        self.sweep_lanes(&[lane], deadline).await
    }

    /// The same for several lanes side by side. One that fails does not hold up the others.
    ///
    /// # Errors
    /// As [`Self::sweep`].
    pub async fn sweep_lanes(
        &self,
        lanes: &[Lane],
        deadline: Option<Timestamp>,
    ) -> PortResult<SweepReport> {
        let started = self.clock.now();
        let (mut report, mut failed) = (SweepReport::default(), None);
        for worked in join_all(lanes.iter().map(|lane| self.work_up(*lane, deadline))).await {
            match worked {
                Ok(part) => report.add(&part),
                Err(error) => failed = Some(error),
            }
        }
        self.announce(&mut report).await?;
        report::swept(&report, self.clock.now().since_ms(started));
        failed.map_or(Ok(report), Err)
    }

    /// Looks at every owner of `lane` whose time has come.
    async fn work_up(&self, lane: Lane, deadline: Option<Timestamp>) -> PortResult<SweepReport> {
        let mut report = SweepReport::default();
        let shelf = Shelf::default();
        let is_time = || deadline.is_none_or(|deadline| self.clock.now() < deadline);
        'pages: while is_time() {
            let due = self.world.due(lane, self.clock.now(), PAGE).await?;
            let (found, before) = (due.len(), report.finished());
            for some in due.chunks(AT_ONCE) {
                if !is_time() {
                    break 'pages;
                }
                // Their commits go into one of the store's, or over the network at the same time.
                let looked = some.iter().map(|owner| self.look_at(owner, &shelf));
                for looked in join_all(looked).await {
                    match looked {
                        Ok(part) => report.add(&part),
                        Err(error) => {
                            report.failed += 1;
                            tracing::warn!(port.operation = error.operation, %error, "left an owner for the next sweep: {error}");
                        }
                    }
                }
            }
            // Those who failed or went stale are found again: they wait for the next sweep.
            if found < PAGE || report.finished() == before {
                break;
            }
        }
        while self.world.post(lane).await? > 0 {}
        Ok(report)
    }

    /// Announces what was committed and is not announced yet.
    async fn announce(&self, report: &mut SweepReport) -> PortResult<()> {
        loop {
            let notices = self.world.unsent(NOTICES).await?;
            if notices.is_empty() {
                return Ok(());
            }
            self.world.send(&notices).await?;
            report.notices += notices.len();
        }
    }
}

impl SweepReport {
    fn add(&mut self, other: &Self) {
        let Self { owners, closed, superseded, incidents, retracted, stale, failed, notices } =
            other;
        for (own, more) in [
            (&mut self.owners, owners),
            (&mut self.closed, closed),
            (&mut self.superseded, superseded),
            (&mut self.incidents, incidents),
            (&mut self.retracted, retracted),
            (&mut self.stale, stale),
            (&mut self.failed, failed),
            (&mut self.notices, notices),
        ] {
            *own += more;
        }
    }

    /// Owners who need nothing more from this sweep.
    fn finished(&self) -> usize {
        self.owners.saturating_sub(self.stale).saturating_sub(self.failed)
    }
}

const PAGE: usize = 100;
/// Owners who are looked at side by side.
const AT_ONCE: usize = 16;
const NOTICES: usize = 100;
