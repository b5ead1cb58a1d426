//! A world in which only some owners are due.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{Event, OrgId, ProductId, Timestamp, session::SessionId};
use friction::{
    cells::{Cell, CellKey, CellKind},
    change::{Head, Notice, Sweep},
    owner::{Owner, Position},
    rules::RuleSet,
};
use ports::{
    PortResult,
    bus::{Announcement, Bus},
    clock::{Clock as _, SystemClock},
    projections::{Projected, Projection, Projections, SaveOutcome},
    rules::RuleBook,
    sessions::{
        Arming, EventLog, Heads, Lane, LoggedEvent, Notices, Sessions, Span, Stored, Sums,
        SweepOutcome,
    },
    watches::{Watch, Watched},
};
use sessionizer::World;

/// The world, and who of it is waited for.
#[derive(Debug, Clone)]
pub(super) struct Chosen<W> {
    world: W,
    waiting: Arc<Mutex<BTreeSet<Owner>>>,
}

impl<W: World> Chosen<W> {
    pub(super) fn new(world: W, owners: BTreeSet<Owner>) -> Self {
        Self { world, waiting: Arc::new(Mutex::new(owners)) }
    }

    /// True when none of them is due.
    pub(super) async fn are_done(&self) -> PortResult<bool> {
        Ok(self.first_due(SystemClock.now(), 1).await?.is_empty())
    }

    /// How many are waited for.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// The first of them that are due; who is not, is not waited for any more.
    async fn first_due(&self, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        let mut due: Vec<Owner> = Vec::new();
        let mut after: Option<Owner> = None;
        while due.len() < limit {
            let Some(owner) = self.next(after.as_ref()) else { break };
            let head = self.world.head(&owner).await?;
            if head.and_then(|head| head.due_at).is_some_and(|due_at| due_at <= now) {
                due.push(owner.clone());
            } else {
                self.waiting().remove(&owner);
            }
            after = Some(owner);
        }
        Ok(due)
    }

    fn next(&self, after: Option<&Owner>) -> Option<Owner> {
        let from = after.map_or(Unbounded, Excluded);
        self.waiting().range::<Owner, _>((from, Unbounded)).next().cloned()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Owner>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> Heads for Chosen<W> {
    async fn arm(&self, armings: &[Arming]) -> PortResult<()> {
        self.world.arm(armings).await
    }

    async fn due(&self, _: Lane, now: Timestamp, limit: usize) -> PortResult<Vec<Owner>> {
        self.first_due(now, limit).await
    }

    async fn head(&self, owner: &Owner) -> PortResult<Option<Head>> {
        self.world.head(owner).await
    }
}

/// Notices stay for the server's sweeper.
impl<W: World> Notices for Chosen<W> {
    async fn unsent(&self, _: usize) -> PortResult<Vec<Notice>> {
        Ok(Vec::new())
    }

    async fn send(&self, notices: &[Notice]) -> PortResult<()> {
        self.world.send(notices).await
    }
}

impl<W: World> EventLog for Chosen<W> {
    async fn append(&self, events: &[LoggedEvent]) -> PortResult<()> {
        self.world.append(events).await
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

impl<W: World> Sessions for Chosen<W> {
    async fn stored(&self, owner: &Owner, from: Timestamp) -> PortResult<Stored> {
        self.world.stored(owner, from).await
    }

    async fn commit(&self, sweep: Sweep) -> PortResult<SweepOutcome> {
        self.world.commit(sweep).await
    }

    async fn post(&self, lane: Lane) -> PortResult<usize> {
        self.world.post(lane).await
    }
}

impl<W: World> Sums for Chosen<W> {
    async fn cells(&self, span: &Span, kind: CellKind) -> PortResult<Vec<(CellKey, Cell)>> {
        self.world.cells(span, kind).await
    }

    async fn products_of(&self, org: &OrgId) -> PortResult<Vec<ProductId>> {
        self.world.products_of(org).await
    }
}

impl<W: World> Projections for Chosen<W> {
    async fn load(&self, projected: &Projected) -> PortResult<Option<Projection>> {
        self.world.load(projected).await
    }

    async fn save(&self, projected: &Projected, projection: Projection) -> PortResult<SaveOutcome> {
        self.world.save(projected, projection).await
    }

    async fn context(
        &self,
        org: &OrgId,
        session: &SessionId,
    ) -> PortResult<Option<(Owner, Projection)>> {
        self.world.context(org, session).await
    }
}

impl<W: World> RuleBook for Chosen<W> {
    async fn rules(&self, org: &OrgId) -> PortResult<Option<RuleSet>> {
        self.world.rules(org).await
    }

    async fn put_rules(&self, org: &OrgId, rules: &RuleSet) -> PortResult<bool> {
        self.world.put_rules(org, rules).await
    }
}

/// Nobody hears of it.
impl<W: World> Bus for Chosen<W> {
    async fn publish(&self, _: &[Announcement]) -> PortResult<()> {
        Ok(())
    }
}

impl<W: World> Watched for Chosen<W> {
    async fn watched(&self, _: Timestamp) -> PortResult<BTreeSet<Owner>> {
        Ok(BTreeSet::new())
    }

    async fn watches(&self, _: &Owner) -> PortResult<Vec<Watch>> {
        Ok(Vec::new())
    }
}
