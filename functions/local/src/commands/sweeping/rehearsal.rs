//! A world in which everything is as it is, and nothing that is done is written: it is only remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{Event, OrgId, ProductId, Timestamp, session::SessionId};
use friction::{
    cells::{Cell, CellKey, CellKind},
    change::{Head, Notice, StoredIncident, StoredSession, Sweep},
    owner::{Owner, Position},
    rules::RuleSet,
};
use ports::{
    PortError, PortResult,
    bus::{Announcement, Bus},
    projections::{Projected, Projection, Projections, SaveOutcome},
    rules::RuleBook,
    sessions::{
        Arming, EventLog, Heads, Lane, LoggedEvent, Notices, Sessions, Span, Stored, Sums,
        SweepOutcome,
    },
    watches::{Watch, Watched},
};
use sessionizer::World;

/// A world that forgets what was done in it when it goes. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Rehearsal<W> {
    world: W,
    done: Arc<Mutex<BTreeMap<Owner, Done>>>,
}

/// What was done with an owner.
#[derive(Debug, Default)]
struct Done {
    head: Option<Head>,
    sessions: BTreeMap<String, StoredSession>,
    incidents: BTreeMap<String, StoredIncident>,
}

impl<W: World> Rehearsal<W> {
    pub(crate) fn new(world: W) -> Self {
        Self { world, done: Arc::default() }
    }

    fn done(&self) -> MutexGuard<'_, BTreeMap<Owner, Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> Heads for Rehearsal<W> {
    async fn arm(&self, armings: &[Arming]) -> PortResult<()> {
        for Arming { owner, dirty_from, due_at } in armings {
            let head = self.head(owner).await?;
            let head = head.unwrap_or(Head { version: 0, dirty_from: None, due_at: None });
            let earlier =
                |held: Option<Timestamp>, new| Some(held.map_or(new, |held| held.min(new)));
            let armed = Head {
                version: head.version + 1,
                dirty_from: earlier(head.dirty_from, *dirty_from),
                due_at: earlier(head.due_at, *due_at),
            };
            self.done().entry(owner.clone()).or_default().head = Some(armed);
        }
        Ok(())
    }

    async fn due(&self, lane: Lane, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        self.world.due(lane, now, limit).await
    }

    async fn head(&self, owner: &Owner) -> PortResult<Option<Head>> {
        let held = self.done().get(owner).and_then(|done| done.head.clone());
        match held {
            Some(head) => Ok(Some(head)),
            None => self.world.head(owner).await,
        }
    }
}

impl<W: World> Sessions for Rehearsal<W> {
    async fn stored(&self, owner: &Owner, from: Timestamp) -> PortResult<Stored> {
        let Stored { sessions, incidents } = self.world.stored(owner, from).await?;
        let named = |held: StoredSession| (held.session.session_id.to_string(), held);
        let mut sessions: BTreeMap<String, StoredSession> =
            sessions.into_iter().map(named).collect();
        let named = |held: StoredIncident| (held.incident.incident_id.clone(), held);
        let mut incidents: BTreeMap<String, StoredIncident> =
            incidents.into_iter().map(named).collect();
        if let Some(done) = self.done().get(owner) {
            sessions.extend(done.sessions.clone());
            incidents.extend(done.incidents.clone());
        }
        let mut stored = Stored {
            sessions: sessions.into_values().collect(),
            incidents: incidents.into_values().collect(),
        };
        stored.sessions.retain(|held| held.session.ended_at >= from);
        stored.incidents.retain(|held| held.incident.ended_at >= from);
        // Stable, and what has the same time is in the order of its id already.
        stored.sessions.sort_by_key(|held| held.session.started_at);
        stored.incidents.sort_by_key(|held| held.incident.started_at);
        Ok(stored)
    }

    async fn commit(&self, sweep: Sweep) -> PortResult<SweepOutcome> {
        let version = self.head(&sweep.owner).await?.map(|head| head.version);
        if version != Some(sweep.version) {
            return Ok(SweepOutcome::Stale);
        }
        let Sweep { owner, version, sessions, incidents, dirty_from, due_at, .. } = sweep;
        let mut all = self.done();
        let done = all.entry(owner).or_default();
        done.head = Some(Head { version: version + 1, dirty_from, due_at });
        let named = |held: StoredSession| (held.session.session_id.to_string(), held);
        done.sessions.extend(sessions.into_iter().map(named));
        let named = |held: StoredIncident| (held.incident.incident_id.clone(), held);
        done.incidents.extend(incidents.into_iter().map(named));
        Ok(SweepOutcome::Committed)
    }

    async fn post(&self, _: Lane) -> PortResult<usize> {
        Ok(0)
    }
}

impl<W: World> EventLog for Rehearsal<W> {
    async fn append(&self, _: &[LoggedEvent]) -> PortResult<()> {
        Err(PortError::permanent("log events", "a rehearsal takes no events"))
    }

    async fn read(
        &self,
        owner: &Owner,
        from: Timestamp,
        after: Option<&Position>,
        limit: usize,
    ) -> PortResult<Vec<Event>> {
        self.world.read(owner, from, after, limit).await
    }
}

/// Nothing happens, so nobody is told.
impl<W: World> Notices for Rehearsal<W> {
    async fn unsent(&self, _: usize) -> PortResult<Vec<Notice>> {
        Ok(Vec::new())
    }

    async fn send(&self, _: &[Notice]) -> PortResult<()> {
        Ok(())
    }
}

/// Baselines are made of days that nothing changes any more, so that what is remembered is never among them.
impl<W: World> Sums for Rehearsal<W> {
    async fn cells(&self, span: &Span, kind: CellKind) -> PortResult<Vec<(CellKey, Cell)>> {
        self.world.cells(span, kind).await
    }

    async fn products_of(&self, org: &OrgId) -> PortResult<Vec<ProductId>> {
        self.world.products_of(org).await
    }
}

/// What was kept of owners stays as it is.
impl<W: World> Projections for Rehearsal<W> {
    async fn load(&self, _: &Projected) -> PortResult<Option<Projection>> {
        Ok(None)
    }

    async fn save(&self, _: &Projected, _: Projection) -> PortResult<SaveOutcome> {
        Ok(SaveOutcome::Saved)
    }

    async fn context(
        &self,
        org: &OrgId,
        session: &SessionId,
    ) -> PortResult<Option<(Owner, Projection)>> {
        self.world.context(org, session).await
    }
}

impl<W: World> RuleBook for Rehearsal<W> {
    async fn rules(&self, org: &OrgId) -> PortResult<Option<RuleSet>> {
        self.world.rules(org).await
    }

    async fn put_rules(&self, _: &OrgId, _: &RuleSet) -> PortResult<bool> {
        Err(PortError::permanent("put rules", "a rehearsal changes no rules"))
    }
}

/// Nobody hears of it.
impl<W: World> Bus for Rehearsal<W> {
    async fn publish(&self, _: &[Announcement]) -> PortResult<()> {
        Ok(())
    }
}

impl<W: World> Watched for Rehearsal<W> {
    async fn watched(&self, _: Timestamp) -> PortResult<BTreeSet<Owner>> {
        Ok(BTreeSet::new())
    }

    async fn watches(&self, _: &Owner) -> PortResult<Vec<Watch>> {
        Ok(Vec::new())
    }
}
