//! Counting exactly once: markers and counters in one transaction, recomputed whenever the ledger moved.
//!
//! Identity lives in the markers and not in the batch, so a batch may be cut, repeated or mixed with others at will.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use contract::{
    Code, Event, EventId, OrgId, Timestamp,
    kinesis::RecordBatch,
    limits::{CHUNK_EVENTS_MAX, URGENT_INTERVAL_MS, URGENT_SEVERITY_MIN},
};
use domain::{
    admit::{Admission, Fault},
    counters::{Dictionary, DictionaryKey, deltas, dictionary_key},
    triage::Admitted,
};
use ports::{
    PortError, PortResult,
    bus::{Announcement, AnnouncementKind},
    clock::Clock,
    ledger::{Booking, CommitOutcome, CountedChunk, EventKey, Marker},
};

use crate::{
    BatchError, Processor, World,
    budget::Budget,
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

/// What became of a chunk.
enum Progress {
    /// Nothing of it is open.
    Done,
    /// Nothing was written: it has to be cut.
    TooLarge,
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
        let mut chunks: VecDeque<&[usize]> = fresh.chunks(CHUNK_EVENTS_MAX).collect();
        // The first chunk always runs: every attempt gets on.
        while let Some(chunk) = chunks.pop_front() {
            let started = self.clock.now();
            match self.commit(batch, work, groups, chunk, &mut books).await? {
                Progress::Done => {}
                Progress::TooLarge => {
                    let (left, right) = chunk.split_at(chunk.len() / 2);
                    chunks.push_front(right);
                    chunks.push_front(left);
                    continue;
                }
            }
            let now = self.clock.now();
            budget.spent(now.since_ms(started));
            if !chunks.is_empty() && !budget.allows(now) {
                break;
            }
        }
        Ok(())
    }

    /// Commits the groups of a chunk that nobody has counted, and tries again while the ledger moves underneath.
    async fn commit(
        &self,
        batch: &RecordBatch,
        work: &mut Work,
        groups: &mut [Group],
        chunk: &[usize],
        books: &mut BTreeMap<DictionaryKey, Dictionary>,
    ) -> PortResult<Progress> {
        for _ in 0..TRIES_MAX {
            let live = open(groups, chunk);
            if live.is_empty() {
                return Ok(Progress::Done);
            }
            let counted = counted_chunk(batch, work, groups, &live, books);
            let names = counted.deltas.names.clone();
            match self.world.commit(counted).await? {
                CommitOutcome::Committed => {
                    for (key, new) in names {
                        books.entry(key).or_default().extend(new);
                    }
                    for at in live {
                        if let Some(group) = groups.get_mut(at) {
                            group.owner = Owner::First;
                        }
                    }
                    return Ok(Progress::Done);
                }
                CommitOutcome::TooLarge if live.len() > 1 => return Ok(Progress::TooLarge),
                CommitOutcome::TooLarge => {
                    return Err(PortError::permanent("ledger.commit", "one event is too large"));
                }
                CommitOutcome::Stale => {
                    work.tally.stale += 1;
                    self.look_up(groups, &live).await?;
                    let keys: Vec<DictionaryKey> = names.into_keys().collect();
                    books.extend(self.world.dictionaries(&keys).await?);
                }
            }
        }
        Err(PortError::transient("ledger.commit", "the ledger moved at every try"))
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
            return Some(Fault::at(Code::IdCollision, "/eventId"));
        }
        None
    });
    work.tally.counted += counted;
    work.tally.suppressed += suppressed;
    work.tally.duplicates += duplicates;
}

fn counted_chunk(
    batch: &RecordBatch,
    work: &Work,
    groups: &[Group],
    live: &[usize],
    books: &BTreeMap<DictionaryKey, Dictionary>,
) -> CountedChunk {
    let live = || live.iter().filter_map(|at| groups.get(*at));
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
    Announcement { id: format!("{}/{org}/{interval}", kind.as_str()), kind, org: org.clone(), at }
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
const TRIES_MAX: usize = 5;
