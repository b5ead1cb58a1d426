//! Packed markers in the dedupe table: which events were counted, and which were forwarded.
//!
//! `domain::markers` decides where a marker lies and where a new one goes; here places are read, remembered and turned
//! into writes for somebody's transaction:
//!
//! 1. [`Cloud::find_marks`] tells what is known about events, strongly consistent;
//! 2. [`Cloud::plan_marks`] gives the writes for new ones, by what this process knows: they go into the caller's
//!    transaction, each put under [`UNTAKEN`];
//! 3. the caller reports back: [`Cloud::marks_written`] when the transaction is durable, [`Cloud::marks_refused`] with
//!    those whose condition did not hold. Then their places are read again before the next plan.

mod cache;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use contract::{OrgId, Timestamp, limits::MARKER_TTL_MS};
use domain::markers::{
    self, Append, Level, Log, Lookup, Mark, PackedId, Place, Plan, SealRule, Segment,
};
use ports::{PortResult, ledger::EventKey};

use crate::{
    Cloud,
    item::{Item, bytes, flag, key, number, ttl},
};

pub(crate) use cache::Markers;

/// What is remembered of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Memory {
    /// That it was counted, with its `ck`.
    Counted,
    /// That it was forwarded, with its batch's number.
    Forwarded,
}

/// A marker to be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewMark {
    /// The event.
    pub(crate) key: EventKey,
    /// Its `ck`, or its batch's number.
    pub(crate) payload: u32,
    /// An id that tells no time is remembered for 35 days from here.
    pub(crate) arrived_at: Timestamp,
}

impl NewMark {
    /// An id that tells its time is remembered as long as its places would be.
    fn expires_at(&self) -> Timestamp {
        let from_arrival = self.arrived_at.plus_ms(MARKER_TTL_MS);
        let place = PackedId::of(&self.key.id).map(|id| id.place(Level::Fine).expires_at());
        place.map_or(from_arrival, |place| place.max(from_arrival))
    }
}

/// How markers are left.
#[derive(Debug)]
pub(crate) enum Marking {
    /// One of the events has its marker already, or comes twice.
    Known,
    /// All of these in one transaction.
    Writes(Vec<MarkWrite>),
}

/// A put into the dedupe table, under [`UNTAKEN`].
#[derive(Debug, Clone)]
pub(crate) struct MarkWrite {
    memory: Memory,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    Segment(OrgId, Append),
    Alone(NewMark),
}

/// A place of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PlaceKey {
    memory: Memory,
    org: OrgId,
    place: Place,
}

impl PlaceKey {
    fn partition(&self) -> String {
        self.memory.partition(&self.org, self.place)
    }
}

/// The logs of one look-up or plan, which no other one changes underneath.
type Logs = HashMap<PlaceKey, Arc<Log>>;

/// How new a log has to be.
#[derive(Clone, Copy)]
enum Freshness {
    /// Read after the call began.
    Now,
    /// As this process knows it; conditions guard what is written by it.
    AsKnown,
}

impl Memory {
    fn partition(self, org: &OrgId, place: Place) -> String {
        match self {
            Self::Counted => format!("P#{org}#{place}"),
            Self::Forwarded => format!("F#{org}#{place}"),
        }
    }

    fn marker_partition(self, EventKey { org, id }: &EventKey) -> String {
        match self {
            Self::Counted => format!("M#{org}#{id}"),
            Self::Forwarded => format!("N#{org}#{id}"),
        }
    }

    /// What the payload is called in an item of its own.
    fn payload(self) -> &'static str {
        match self {
            Self::Counted => "ck",
            Self::Forwarded => "batch",
        }
    }
}

impl MarkWrite {
    /// Bytes of the item, about.
    pub(crate) fn bytes(&self) -> usize {
        match &self.target {
            Target::Segment(_, append) => KEY_BYTES + append.segment.bytes(),
            Target::Alone(_) => KEY_BYTES,
        }
    }

    /// The item to be put.
    pub(crate) fn item(&self) -> Item {
        match &self.target {
            Target::Segment(org, Append { place, number: segment, segment: content }) => {
                let mut item = key(self.memory.partition(org, *place), segment_key(*segment));
                let (name, value) = match content {
                    Segment::Entries(_) => (ENTRIES, bytes(content.encode())),
                    Segment::Seal => (SEAL, flag(true)),
                };
                item.insert(name.to_owned(), value);
                item.insert(TTL.to_owned(), ttl(place.expires_at()));
                item
            }
            Target::Alone(mark) => {
                let mut item = key(self.memory.marker_partition(&mark.key), "0");
                item.insert(self.memory.payload().to_owned(), number(mark.payload));
                item.insert(TTL.to_owned(), ttl(mark.expires_at()));
                item
            }
        }
    }
}

impl Cloud {
    /// What is remembered of each event, or nothing.
    pub(crate) async fn find_marks(
        &self,
        memory: Memory,
        keys: &[EventKey],
    ) -> PortResult<Vec<Option<u32>>> {
        let packed: Vec<Option<PackedId>> = keys.iter().map(|key| PackedId::of(&key.id)).collect();
        let of_no_time = keys.iter().zip(&packed).filter(|(_, id)| id.is_none());
        let of_no_time = of_no_time.map(|(key, _)| key).collect();
        let (found, mut alone) = futures::try_join!(
            self.find_packed(memory, keys, &packed),
            self.find_alone(memory, of_no_time)
        )?;
        let below = keys.iter().zip(&packed).zip(&found);
        let below = below.filter(|((_, id), found)| id.is_some() && **found == Lookup::Alone);
        alone.extend(self.find_alone(memory, below.map(|((key, _), _)| key).collect()).await?);
        let answer = |(key, found): (&EventKey, Lookup)| match found {
            Lookup::Known(payload) => Some(payload),
            Lookup::Alone => alone.get(key).copied(),
            Lookup::Absent | Lookup::Unread(_) => None,
        };
        Ok(keys.iter().zip(found).map(answer).collect())
    }

    /// Looks every id up, level by level.
    async fn find_packed(
        &self,
        memory: Memory,
        keys: &[EventKey],
        packed: &[Option<PackedId>],
    ) -> PortResult<Vec<Lookup>> {
        let mut logs = Logs::new();
        loop {
            let look = |(key, id): (&EventKey, &Option<PackedId>)| {
                id.map_or(Lookup::Alone, |id| {
                    markers::look_up(id, |place| log_of(&logs, memory, &key.org, place))
                })
            };
            let found: Vec<Lookup> = keys.iter().zip(packed).map(look).collect();
            let unread = keys.iter().zip(&found).filter_map(|(key, found)| match found {
                Lookup::Unread(place) => {
                    Some(PlaceKey { memory, org: key.org.clone(), place: *place })
                }
                Lookup::Known(_) | Lookup::Absent | Lookup::Alone => None,
            });
            let unread: BTreeSet<PlaceKey> = unread.collect();
            if unread.is_empty() {
                return Ok(found);
            }
            logs.extend(self.logs(unread, Freshness::Now).await?);
        }
    }

    /// The writes that leave these markers, by what this process knows.
    pub(crate) async fn plan_marks(
        &self,
        memory: Memory,
        marks: &[NewMark],
    ) -> PortResult<Marking> {
        let Some(sorted) = Sorted::of(marks) else { return Ok(Marking::Known) };
        let mut logs = Logs::new();
        loop {
            let mut writes: Vec<Target> =
                sorted.alone.values().copied().map(Target::alone).collect();
            let mut unread = BTreeSet::new();
            for (org, packed) in &sorted.packed {
                let marks: Vec<Mark> = packed.iter().map(|(_, mark)| *mark).collect();
                let log = |place| log_of(&logs, memory, org, place);
                match markers::plan(&marks, SealRule::REAL, log) {
                    Plan::Known => return Ok(Marking::Known),
                    Plan::Unread(places) => {
                        let key = |place| PlaceKey { memory, org: (*org).clone(), place };
                        unread.extend(places.into_iter().map(key));
                    }
                    Plan::Write { appends, alone } => {
                        let segment = |append| Target::Segment((*org).clone(), append);
                        writes.extend(appends.into_iter().map(segment));
                        let alone = alone.iter().filter_map(|at| packed.get(*at));
                        writes.extend(alone.map(|(new, _)| Target::alone(new)));
                    }
                }
            }
            if unread.is_empty() {
                let writes = writes.into_iter().map(|target| MarkWrite { memory, target });
                return Ok(Marking::Writes(writes.collect()));
            }
            logs.extend(self.logs(unread, Freshness::AsKnown).await?);
        }
    }

    /// These are durable.
    pub(crate) fn marks_written(&self, writes: &[MarkWrite]) {
        for write in writes {
            if let Target::Segment(org, append) = &write.target {
                let place = append.place;
                let key = PlaceKey { memory: write.memory, org: org.clone(), place };
                self.0.markers.append(key, append.number, &append.segment);
            }
        }
    }

    /// The conditions of these did not hold: somebody else was there first.
    pub(crate) fn marks_refused<'a>(&self, writes: impl IntoIterator<Item = &'a MarkWrite>) {
        for write in writes {
            if let Target::Segment(org, append) = &write.target {
                let place = append.place;
                self.0.markers.outdate(&PlaceKey { memory: write.memory, org: org.clone(), place });
            }
        }
    }
}

/// New markers by the way they are left.
struct Sorted<'a> {
    packed: BTreeMap<&'a OrgId, Vec<(&'a NewMark, Mark)>>,
    alone: BTreeMap<&'a EventKey, &'a NewMark>,
}

impl<'a> Sorted<'a> {
    /// Nothing when an id that cannot be packed comes twice.
    fn of(marks: &'a [NewMark]) -> Option<Self> {
        let mut sorted = Self { packed: BTreeMap::new(), alone: BTreeMap::new() };
        for new in marks {
            if let Some(id) = PackedId::of(&new.key.id) {
                let mark = Mark { id, payload: new.payload };
                sorted.packed.entry(&new.key.org).or_default().push((new, mark));
            } else if sorted.alone.insert(&new.key, new).is_some() {
                return None;
            }
        }
        Some(sorted)
    }
}

impl Target {
    fn alone(mark: &NewMark) -> Self {
        Self::Alone(mark.clone())
    }
}

fn log_of<'a>(logs: &'a Logs, memory: Memory, org: &OrgId, place: Place) -> Option<&'a Log> {
    logs.get(&PlaceKey { memory, org: org.clone(), place }).map(AsRef::as_ref)
}

fn segment_key(number: u32) -> String {
    format!("{number:04}")
}

/// The condition of every [`MarkWrite`].
pub(crate) const UNTAKEN: &str = "attribute_not_exists(sk)";
/// Keys, names and the rest of an item.
const KEY_BYTES: usize = 256;
const ENTRIES: &str = "e";
const SEAL: &str = "seal";
const TTL: &str = "ttl";
