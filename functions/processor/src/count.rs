//! Counting exactly once: markers and counters in one transaction, recomputed whenever the ledger moved.
//!
//! Identity lives in the markers and not in the batch, so a batch may be cut, repeated or mixed with others at will.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use contract::{
    Event, EventId, OrgId, Timestamp,
    kinesis::RecordBatch,
    limits::{URGENT_INTERVAL_MS, URGENT_SEVERITY_MIN},
};
use domain::{
    admit::Admission,
    counters::{Dictionary, DictionaryKey, deltas, dictionary_key},
    triage::{self, Admitted},
};
use futures::{StreamExt, stream::FuturesUnordered};
use ports::{
    PortError, PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::Clock,
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Marker},
};

use crate::{
    BatchError, Processor, World,
    budget::Budget,
    chunks::{self, Chunk, Halves},
    strike::Collided,
    work::{Item, Verdict, Work},
};

/// The events of a batch under one id.
struct Group {
    key: EventKey,
    /// The item that is counted unless the id is known.
    first: usize,
    owner: Owner,
}

/// Whose body an id belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Nobody's yet.
    Nobody,
    /// Counted before, with this `ck`.
    Before(u32),
    /// Counted by this invocation: the first item's.
    First,
}

/// What chunks are computed with.
struct Known<'a> {
    batch: &'a RecordBatch,
    work: &'a Work,
    groups: &'a [Group],
    books: &'a BTreeMap<DictionaryKey, Dictionary>,
}

/// What became of a chunk.
struct Tried {
    chunk: Chunk,
    /// The names that it brought.
    names: BTreeMap<DictionaryKey, Dictionary>,
    outcome: PortResult<CommitOutcome>,
}

impl<W: World, C: Clock> Processor<W, C> {
    /// Counts the events of a batch that were never counted, and judges the others: the body that an id was counted
    /// with owns it.
    pub(crate) async fn count(
        &self,
        batch: &RecordBatch,
        work: &mut Work,
        budget: &mut Budget,
    ) -> Result<(), BatchError> {
        let (mut groups, group_of) = grouped(&work.items);
        if let Err(error) = self.count_groups(batch, work, &mut groups, budget).await {
            let positions = open_positions(work, &groups, &group_of);
            work.postpone(error, positions)?;
        } else if groups.iter().any(Group::is_open) {
            let positions = open_positions(work, &groups, &group_of);
            work.defer(positions);
        }
        judge(work, &groups, &group_of);
        Ok(())
    }

    /// Nudges the batcher for organisations with an event that does not wait for its tick. That fails without harm: the
    /// tick comes anyway.
    pub(crate) async fn announce(&self, batch: &RecordBatch, work: &mut Work) {
        let mut urgent: BTreeMap<&OrgId, Timestamp> = BTreeMap::new();
        for item in work.items.iter().filter(|item| is_urgent(item)) {
            let Some(record) = batch.records.get(item.position) else { continue };
            let latest = urgent.entry(&item.admitted.event.org_id).or_insert(record.arrived_at);
            *latest = (*latest).max(record.arrived_at);
        }
        let announcements: Vec<Announcement> =
            urgent.into_iter().map(|(org, at)| announcement(org, at)).collect();
        if announcements.is_empty() {
            return;
        }
        match self.world.publish(&announcements).await {
            Ok(()) => work.tally.announced = announcements.len(),
            Err(error) => {
                tracing::warn!(port.operation = error.operation, %error, "announced nothing: {error}");
            }
        }
    }

    /// Counts until everything is counted or time runs out.
    async fn count_groups(
        &self,
        batch: &RecordBatch,
        work: &mut Work,
        groups: &mut [Group],
        budget: &mut Budget,
    ) -> PortResult<()> {
        let all: Vec<usize> = (0..groups.len()).collect();
        self.look_up(groups, &all).await?;
        let fresh = in_cell_order(work, groups, open(groups, &all));
        let mut books = self.dictionaries(work, groups, &fresh).await?;
        let mut pending = chunks::cut(&fresh, org_of(groups));
        let mut has_begun = false;
        // Something always becomes durable: every attempt gets on.
        while !pending.is_empty() && (!has_begun || budget.allows(self.clock.now())) {
            let started = self.clock.now();
            let round = chunks::round(&mut pending, org_of(groups));
            let tried =
                self.commit_round(&Known { batch, work, groups, books: &books }, round).await;
            let mut stale = Vec::new();
            let mut failure: Option<PortError> = None;
            for Tried { chunk, names, outcome } in tried {
                match outcome {
                    Ok(CommitOutcome::Committed) => {
                        has_begun = true;
                        own(groups, &chunk);
                        names
                            .into_iter()
                            .for_each(|(key, new)| books.entry(key).or_default().extend(new));
                    }
                    Ok(CommitOutcome::Stale) => stale.push((chunk, names)),
                    Ok(CommitOutcome::TooLarge) => pending.push_front(chunk),
                    Err(error) if failure.as_ref().is_none_or(|known| known.transient) => {
                        failure = Some(error);
                    }
                    Err(_) => {}
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
            budget.spent(self.clock.now().since_ms(started));
            work.tally.stale += stale.len();
            self.read_again(groups, &mut books, stale, &mut pending).await?;
        }
        Ok(())
    }

    /// Commits chunks that share nothing, at the same time. One that is too large is cut at once; a part that has to wait
    /// for the other comes back as too large.
    async fn commit_round(&self, known: &Known<'_>, round: Vec<Chunk>) -> Vec<Tried> {
        let org = org_of(known.groups);
        let commit = |chunk| self.commit(known, chunk);
        let mut running: FuturesUnordered<_> = round.into_iter().map(commit).collect();
        let mut tried = Vec::new();
        while let Some(one) = running.next().await {
            if !matches!(one.outcome, Ok(CommitOutcome::TooLarge)) {
                tried.push(one);
                continue;
            }
            match one.chunk.halves(&org) {
                Some(Halves::Apart(left, right)) => running.extend([left, right].map(commit)),
                Some(Halves::Together(left, right)) => {
                    running.push(commit(left));
                    tried.push(Tried { chunk: right, ..one });
                }
                None => tried.push(Tried { outcome: Err(one_is_too_large()), ..one }),
            }
        }
        tried
    }

    async fn commit(&self, known: &Known<'_>, chunk: Chunk) -> Tried {
        let counted = counted_chunk(known, &chunk.places);
        let names = counted.deltas.names.clone();
        Tried { chunk, names, outcome: self.world.commit(counted).await }
    }

    /// Reads again what chunks were computed with while the ledger moved underneath, and leaves of them what is open.
    async fn read_again(
        &self,
        groups: &mut [Group],
        books: &mut BTreeMap<DictionaryKey, Dictionary>,
        stale: Vec<(Chunk, BTreeMap<DictionaryKey, Dictionary>)>,
        pending: &mut VecDeque<Chunk>,
    ) -> PortResult<()> {
        let places: Vec<usize> =
            stale.iter().flat_map(|(chunk, _)| &chunk.places).copied().collect();
        self.look_up(groups, &places).await?;
        let keys: Vec<DictionaryKey> =
            stale.iter().flat_map(|(_, names)| names.keys()).cloned().collect();
        if !keys.is_empty() {
            books.extend(self.world.dictionaries(&keys).await?);
        }
        for (Chunk { places, tries }, _) in stale.into_iter().rev() {
            let places = open(groups, &places);
            if places.is_empty() {
                continue;
            }
            if tries + 1 == TRIES_MAX {
                return Err(PortError::transient("ledger.commit", "the ledger moved at every try"));
            }
            pending.push_front(Chunk { places, tries: tries + 1 });
        }
        Ok(())
    }

    /// Reads which of the groups at `places` were counted before.
    async fn look_up(&self, groups: &mut [Group], places: &[usize]) -> PortResult<()> {
        let keys: Vec<EventKey> =
            places.iter().filter_map(|at| Some(groups.get(*at)?.key.clone())).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let known = self.world.known(&keys).await?;
        for (at, ck) in places.iter().zip(known) {
            if let (Some(group), Some(ck)) = (groups.get_mut(*at), ck) {
                group.owner = Owner::Before(ck);
            }
        }
        Ok(())
    }

    /// The dictionaries that counting the groups at `places` needs.
    async fn dictionaries(
        &self,
        work: &Work,
        groups: &[Group],
        places: &[usize],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        let items = places.iter().filter_map(|at| first(work, groups.get(*at)?));
        let named = items.filter(|item| item.is_kept() && has_names(&item.admitted.event));
        let keys: BTreeSet<DictionaryKey> =
            named.map(|item| dictionary_key(&item.admitted.event)).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.world.dictionaries(&Vec::from_iter(keys)).await
    }
}

/// The items by id, and the group of each item.
fn grouped(items: &[Item]) -> (Vec<Group>, Vec<usize>) {
    let mut places: HashMap<(&OrgId, &EventId), usize> = HashMap::with_capacity(items.len());
    let mut groups = Vec::with_capacity(items.len());
    let mut group_of = Vec::with_capacity(items.len());
    for (first, item) in items.iter().enumerate() {
        let event = &item.admitted.event;
        let place = *places.entry((&event.org_id, &event.event_id)).or_insert_with(|| {
            let key = EventKey { org: event.org_id.clone(), id: event.event_id.clone() };
            groups.push(Group { key, first, owner: Owner::Nobody });
            groups.len() - 1
        });
        group_of.push(place);
    }
    (groups, group_of)
}

/// The groups at `places` in the order of what they count: events that share counters share a transaction.
fn in_cell_order(work: &Work, groups: &[Group], mut places: Vec<usize>) -> Vec<usize> {
    places.sort_by_cached_key(|at| {
        let item = groups.get(*at).and_then(|group| first(work, group));
        item.map(|Item { admitted: Admitted { event, .. }, .. }| {
            let hour = event.occurred_at.hour();
            let id_time = event.event_id.uuid_v7_ms();
            (event.org_id.clone(), event.product_id.clone(), hour, id_time)
        })
    });
    places
}

/// Says what became of every item: a body other than the one that owns the id is set aside.
fn judge(work: &mut Work, groups: &[Group], group_of: &[usize]) {
    let owners: Vec<(Owner, usize, u32)> = groups
        .iter()
        .map(|group| {
            let first = work.items.get(group.first).map_or(0, |item| item.admitted.ck);
            (group.owner, group.first, first)
        })
        .collect();
    let mut duplicates = 0;
    let (mut counted, mut suppressed) = (0, 0);
    let mut collided = Vec::new();
    work.refuse(|index, item| {
        let (owner, first, first_ck) = owners.get(*group_of.get(index)?)?;
        let ck = match owner {
            Owner::Nobody => return None,
            Owner::Before(ck) => *ck,
            Owner::First => *first_ck,
        };
        if *owner == Owner::First && *first == index {
            item.verdict = Verdict::Counted;
            if item.is_kept() { counted += 1 } else { suppressed += 1 }
        } else if item.admitted.ck == ck {
            item.verdict = Verdict::Duplicate;
            duplicates += 1;
        } else {
            if item.is_kept() {
                collided.push(Collided::of(item));
            }
            return Some(triage::collision());
        }
        None
    });
    work.collided = collided;
    work.tally.counted += counted;
    work.tally.suppressed += suppressed;
    work.tally.duplicates += duplicates;
}

fn counted_chunk(
    Known { batch, work, groups, books }: &Known<'_>,
    places: &[usize],
) -> CountedChunk {
    let live = || places.iter().filter_map(|at| groups.get(*at));
    let markers = live().filter_map(|group| {
        let item = first(work, group)?;
        Some(Marker {
            key: group.key.clone(),
            ck: item.admitted.ck,
            arrived_at: batch.records.get(item.position)?.arrived_at,
            booking: booking(item.admitted.admission),
        })
    });
    let kept = live().filter_map(|group| first(work, group)).filter(|item| item.is_kept());
    let deltas = deltas(kept.map(|item| &item.admitted.event), books);
    let size = |key: &DictionaryKey| books.get(key).map_or(0, Dictionary::len);
    let growing = deltas.names.iter().filter(|(_, new)| !new.is_empty());
    let dictionary_sizes = growing.map(|(key, _)| (key.clone(), size(key))).collect();
    CountedChunk { markers: markers.collect(), deltas, dictionary_sizes }
}

fn booking(admission: Admission) -> Booking {
    match admission {
        Admission::Forward => Booking::Forwarded,
        Admission::Count => Booking::Counted,
        Admission::Withhold => Booking::Withheld,
        Admission::Suppress => Booking::Suppressed,
    }
}

fn announcement(org: &OrgId, at: Timestamp) -> Announcement {
    // Repeats within the interval are one fact and have one id.
    let interval = at.ms().div_euclid(URGENT_INTERVAL_MS);
    let kind = AnnouncementKind::OrgUrgent;
    let id = format!("{}/{org}/{interval}", kind.as_str());
    Announcement { id, kind, org: org.clone(), at, detail: None }
}

fn is_urgent(item: &Item) -> bool {
    item.verdict == Verdict::Counted
        && item.admitted.admission == Admission::Forward
        && item.admitted.event.effective_severity() >= URGENT_SEVERITY_MIN
}

fn has_names(event: &Event) -> bool {
    event.screen.is_some() || event.route.is_some() || event.assignment.is_some()
}

fn first<'a>(work: &'a Work, group: &Group) -> Option<&'a Item> {
    work.items.get(group.first)
}

fn open(groups: &[Group], places: &[usize]) -> Vec<usize> {
    let is_open = |at: &usize| groups.get(*at).is_some_and(Group::is_open);
    places.iter().copied().filter(is_open).collect()
}

/// The chunk's events are counted, by this invocation.
fn own(groups: &mut [Group], chunk: &Chunk) {
    for at in &chunk.places {
        if let Some(group) = groups.get_mut(*at) {
            group.owner = Owner::First;
        }
    }
}

fn org_of<'a>(groups: &'a [Group]) -> impl Fn(usize) -> Option<&'a OrgId> {
    |at| groups.get(at).map(|group| &group.key.org)
}

fn one_is_too_large() -> PortError {
    PortError::permanent("ledger.commit", "one event is more than a transaction takes")
}

fn open_positions(work: &Work, groups: &[Group], group_of: &[usize]) -> Vec<usize> {
    let is_open = |at: &usize| groups.get(*at).is_some_and(Group::is_open);
    let open = work.items.iter().zip(group_of).filter(|(_, group)| is_open(group));
    open.map(|(item, _)| item.position).collect()
}

impl Group {
    fn is_open(&self) -> bool {
        self.owner == Owner::Nobody
    }
}

/// How often one chunk is recomputed before it is left for the next delivery.
const TRIES_MAX: u32 = 5;
