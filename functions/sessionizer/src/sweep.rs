//! What runs every minute: looks at every owner whose time has come, and announces what was committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contract::{Event, OrgId, ProductId, Timestamp};
use friction::{
    baseline,
    cells::CellKind,
    change::{Head, SessionState, Sweep},
    derive::Baselines,
    owner::{Owner, Position},
    reconcile::{self, Work},
    rules::{RuleSet, Rules},
};
use futures::{
    future::join_all,
    lock::{Mutex, MutexGuard},
};
use ports::{
    PortResult,
    clock::Clock,
    sessions::{Lane, Span, Stored, SweepOutcome},
};

use crate::{
    Sessionizer, World,
    keep::{self, Keeping},
    report,
};

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

/// What is read once for many owners, who are looked at side by side: whoever comes first reads, the others wait for it.
#[derive(Debug, Default)]
struct Shelf {
    known: Mutex<Known>,
    /// Held by an owner with many events: one of those at a time, so that a sweep's memory stays bounded.
    large: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    sets: BTreeMap<OrgId, RuleSet>,
    rules: BTreeMap<(OrgId, ProductId), Arc<Rules>>,
    baselines: BTreeMap<(OrgId, ProductId, Timestamp), Baselines>,
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

    async fn look_at(&self, owner: &Owner, shelf: &Shelf) -> PortResult<SweepReport> {
        let mut report = SweepReport::default();
        let now = self.clock.now();
        let Some(head) = self.world.head(owner).await? else { return Ok(report) };
        // The list of who is due may be a moment old.
        if head.due_at.is_none_or(|due| due > now) {
            return Ok(report);
        }
        report.owners += 1;
        let (mut sweep, keeping) = self.decide(owner, &head, shelf, now).await?;
        if let Some(keeping) = keeping
            && !self.keep(owner, &keeping).await
        {
            sweep = keeping.again(sweep, now);
        }
        let (closed, superseded) =
            (count(&sweep, SessionState::Closed), count(&sweep, SessionState::Superseded));
        let found = sweep.notices.iter().filter(|notice| notice.id.starts_with("incident:"));
        let retracted = sweep.incidents.iter().filter(|incident| incident.retracted).count();
        let incidents = found.count() - retracted;
        match self.world.commit(sweep).await? {
            SweepOutcome::Committed => {
                report.closed += closed;
                report.superseded += superseded;
                report.incidents += incidents;
                report.retracted += retracted;
            }
            SweepOutcome::Stale => report.stale += 1,
        }
        Ok(report)
    }

    async fn decide(
        &self,
        owner: &Owner,
        head: &Head,
        shelf: &Shelf,
        now: Timestamp,
    ) -> PortResult<(Sweep, Option<Keeping>)> {
        // A head that is due without news has nothing behind it: it only stops being due.
        let dirty_from = head.dirty_from.unwrap_or(now);
        let from = reconcile::stored_from(dirty_from, &self.policy);
        let Stored { sessions, incidents } = self.world.stored(owner, from).await?;
        if let Some(later) = reconcile::later(owner, head, &sessions, (&self.policy, now)) {
            return Ok((later, None));
        }
        let reading = reconcile::reading(dirty_from, &sessions, &self.policy, now);
        let (events, _large) = self.events(owner, reading.from, shelf).await?;
        let stored = (sessions, incidents);
        let telling = keep::telling(&events);
        let work = Work::new(owner.clone(), head, reading, stored, events, (self.policy, now));
        let keeping = Keeping::of(head, &work, reading.from, telling.as_deref());
        let mut baselines = BTreeMap::new();
        for day in work.days_with_tasks() {
            baselines.insert(day, self.baselines(owner, day, shelf).await?);
        }
        let rules = self.rules(owner, shelf).await?;
        Ok((work.decide(&rules, &baselines), Some(keeping)))
    }

    /// An owner's events from a time on, and what is held until they are dealt with if there are many.
    async fn events<'s>(
        &self,
        owner: &Owner,
        from: Timestamp,
        shelf: &'s Shelf,
    ) -> PortResult<(Vec<Event>, Option<MutexGuard<'s, ()>>)> {
        let (mut events, mut large) = (Vec::new(), None);
        loop {
            let after = events.last().map(Position::of);
            let page = self.world.read(owner, from, after.as_ref(), EVENTS).await?;
            let is_last = page.len() < EVENTS;
            events.extend(page);
            if is_last {
                return Ok((events, large));
            }
            if large.is_none() {
                large = Some(shelf.large.lock().await);
            }
            if events.len() >= READ_MAX {
                tracing::error!(
                    events = events.len(),
                    "an owner has more events without a pause than a sweep reads: the rest makes no session"
                );
                return Ok((events, large));
            }
        }
    }

    async fn rules(&self, owner: &Owner, shelf: &Shelf) -> PortResult<Arc<Rules>> {
        let mut shelf = shelf.known.lock().await;
        let key = (owner.org.clone(), owner.product.clone());
        if let Some(known) = shelf.rules.get(&key) {
            return Ok(Arc::clone(known));
        }
        // Read once for all products of an organisation, so that a sweep goes by one version.
        if !shelf.sets.contains_key(&owner.org) {
            let set = self.world.rules(&owner.org).await?.unwrap_or_default();
            shelf.sets.insert(owner.org.clone(), set);
        }
        let rules = shelf.sets.get(&owner.org).map(|set| set.for_product(&owner.product));
        let rules = Arc::new(rules.unwrap_or_default());
        shelf.rules.insert(key, Arc::clone(&rules));
        Ok(rules)
    }

    async fn baselines(
        &self,
        owner: &Owner,
        day: Timestamp,
        shelf: &Shelf,
    ) -> PortResult<Baselines> {
        let mut shelf = shelf.known.lock().await;
        let key = (owner.org.clone(), owner.product.clone(), day);
        if let Some(known) = shelf.baselines.get(&key) {
            return Ok(known.clone());
        }
        let (from, to) = baseline::window(day, &self.policy);
        let span = Span { org: owner.org.clone(), product: Some(owner.product.clone()), from, to };
        let cells = self.world.cells(&span, CellKind::Task).await?;
        let tasks: BTreeSet<&str> = cells.iter().map(|(key, _)| key.name.as_str()).collect();
        let usual = |task: &str| baseline::of(&cells, task);
        let baselines: Baselines =
            tasks.iter().filter_map(|task| Some(((*task).to_owned(), usual(task)?))).collect();
        shelf.baselines.insert(key, baselines.clone());
        Ok(baselines)
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

fn count(sweep: &Sweep, state: SessionState) -> usize {
    sweep.sessions.iter().filter(|session| session.state == state).count()
}

const PAGE: usize = 100;
/// Owners who are looked at side by side.
const AT_ONCE: usize = 16;
const NOTICES: usize = 100;
const EVENTS: usize = 1_000;
/// Bounds the memory of a sweep: some hundred MB at worst.
const READ_MAX: usize = 100_000;
