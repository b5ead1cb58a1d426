//! What a sweep does with one owner: it holds what came against what is stored, page by page, and commits what follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use contract::{OrgId, ProductId, Timestamp};
use friction::{
    baseline,
    cells::CellKind,
    change::{Head, SessionState, Sweep},
    derive::Baselines,
    owner::{Owner, Position},
    reconcile::{self, Decided, Work},
    rules::{RuleSet, Rules},
    split::{Segment, Splitter},
};
use futures::lock::{Mutex, MutexGuard};
use ports::{
    PortResult,
    clock::Clock,
    sessions::{Span, Stored, SweepOutcome},
};

use crate::{
    Sessionizer, SweepReport, World,
    keep::{About, Keeping, Turns},
};

/// What is read once for many owners, who are looked at side by side: whoever comes first reads, the others wait for it.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    known: Mutex<Known>,
    pub(crate) turns: Turns,
    /// Held by an owner with many events: one of those at a time, so that a sweep's memory stays bounded.
    large: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    sets: BTreeMap<OrgId, RuleSet>,
    rules: BTreeMap<(OrgId, ProductId), Arc<Rules>>,
    baselines: BTreeMap<(OrgId, ProductId, Timestamp), Baselines>,
}

/// One owner's events on their way: each page is split, and each session let go of when it is held against what is stored.
struct Looking<'s> {
    owner: &'s Owner,
    shelf: &'s Shelf,
    rules: Arc<Rules>,
    splitter: Splitter,
    work: Work,
    about: Option<About>,
}

impl<W: World, C: Clock> Sessionizer<W, C> {
    /// Looks at an owner whose time has come, and commits what follows from it.
    pub(crate) async fn look_at(&self, owner: &Owner, shelf: &Shelf) -> PortResult<SweepReport> {
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
            && !self.keep(owner, &keeping, &shelf.turns).await
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
        let stored = (sessions, incidents);
        let mut looking = Looking {
            owner,
            shelf,
            rules: self.rules(owner, shelf).await?,
            splitter: Splitter::new(reading.before, &self.policy),
            work: Work::new(owner.clone(), head, reading, stored, (self.policy, now)),
            about: None,
        };
        let (rest, _large) = self.take_events_of(&mut looking, reading.from).await?;
        let Looking { work, about, .. } = looking;
        let Decided { sweep, uses } = work.decide(rest);
        let keeping = Keeping { from: reading.from, head: head.version, about, uses };
        Ok((sweep, Some(keeping)))
    }

    /// Takes the events from a time on, to their end or until there is as much to commit as goes into one commit: then it
    /// answers when the rest begins. With it comes what is held until that is committed if there are many.
    async fn take_events_of<'s>(
        &self,
        looking: &mut Looking<'s>,
        from: Timestamp,
    ) -> PortResult<(Option<Timestamp>, Option<MutexGuard<'s, ()>>)> {
        let (mut after, mut large) = (None, None);
        loop {
            let page = self.world.read(looking.owner, from, after.as_ref(), EVENTS).await?;
            let is_last = page.len() < EVENTS;
            after = page.last().map(Position::of);
            for event in page {
                for segment in looking.splitter.push(event) {
                    self.take_segment(looking, &segment).await?;
                }
                if looking.work.is_full() {
                    return Ok((looking.splitter.begun_at(), large));
                }
            }
            if is_last {
                if let Some(segment) = looking.splitter.finish() {
                    self.take_segment(looking, &segment).await?;
                }
                return Ok((None, large));
            }
            if large.is_none() {
                large = Some(looking.shelf.large.lock().await);
            }
        }
    }

    async fn take_segment(&self, looking: &mut Looking<'_>, segment: &Segment) -> PortResult<()> {
        let usual = match segment.day_with_tasks() {
            Some(day) => self.baselines(looking.owner, day, looking.shelf).await?,
            None => Baselines::new(),
        };
        looking.work.take(segment, &looking.rules, &usual);
        // The newest session of which something is told: an older one may be the one that is kept, and have changed.
        looking.about = About::of(looking.owner, segment).or(looking.about.take());
        Ok(())
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

fn count(sweep: &Sweep, state: SessionState) -> usize {
    sweep.sessions.iter().filter(|session| session.state == state).count()
}

/// Events in one page: with one session, all that is held of what an owner sends.
const EVENTS: usize = 1_000;
