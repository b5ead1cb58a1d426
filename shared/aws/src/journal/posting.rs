//! Posting: slices become incidents and sums, each slice once.

use std::collections::{BTreeMap, BTreeSet};

use contract::{OrgId, ProductId, Timestamp, limits::TRANSACTION_ITEMS_MAX};
use friction::{
    cells::{self, Cell, CellKey, Cells},
    change::StoredIncident,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{PortResult, sessions::Lane};

use super::{AMOUNTS_MAX, Slice, lane_partition};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, number, text},
    resources::Resource,
    sessions::{bodies::Parts, cells::addition, places, rows::incident_item},
    transaction::{Outcome, Write},
};

impl Cloud {
    /// Posts everything that the lanes hold.
    pub(crate) async fn post_journal(&self, lane: Lane) -> PortResult<usize> {
        let lanes = places::lanes(lane).into_iter().map(|lane| self.post_lane(lane));
        let lanes = stream::iter(lanes.collect::<Vec<_>>()).buffer_unordered(LANES_AT_ONCE);
        lanes.try_fold(0, async |posted, more| Ok(posted + more)).await
    }

    /// Posts a lane until nothing is in it that can be posted.
    async fn post_lane(&self, lane: String) -> PortResult<usize> {
        let (mut posted, mut before, mut after) = (0, 0, None);
        loop {
            let entries = self.entries(&lane, after.as_deref()).await?;
            let Some(last) = entries.last() else {
                if posted == before {
                    return Ok(posted);
                }
                // Once more from the beginning, for what came meanwhile.
                (before, after) = (posted, None);
                continue;
            };
            after = Some(last.text("sk")?.to_owned());
            match self.post_entries(&entries).await? {
                Pass::Posted(slices) => posted += slices,
                // What comes behind must not be posted before what he posts.
                Pass::Overtaken(slices) => {
                    posted += slices;
                    after = None;
                }
            }
        }
    }

    async fn entries(&self, lane: &str, after: Option<&str>) -> PortResult<Vec<Item>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :lane AND sk > :after")
            .expression_attribute_values(":lane", text(lane_partition(lane)))
            // A sort key is never empty; no key is before a space.
            .expression_attribute_values(":after", text(after.unwrap_or(" ")))
            .limit(ENTRIES_AT_ONCE);
        let answer = query.send().await.map_err(|error| port_error(POST, error))?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Posts entries in their order.
    async fn post_entries(&self, entries: &[Item]) -> PortResult<Pass> {
        let (mut posted, mut posting) = (0, Posting::default());
        for item in entries {
            let (entry, slices) = match self.slices_of(item).await {
                Ok(read) => read,
                Err(error) if error.transient => return Err(error),
                Err(error) => {
                    // Nobody of ours wrote it, and the others must not wait for it.
                    tracing::error!(%error, "an entry of the journal cannot be read: {error}");
                    continue;
                }
            };
            for (at, slice) in (entry.next..).zip(slices) {
                if !posting.takes(&entry, &slice) {
                    match self.post_together(std::mem::take(&mut posting)).await? {
                        Some(slices) => posted += slices,
                        None => return Ok(Pass::Overtaken(posted)),
                    }
                }
                posting.add(&entry, at, slice);
            }
        }
        Ok(match self.post_together(posting).await? {
            Some(slices) => Pass::Posted(posted + slices),
            None => Pass::Overtaken(posted),
        })
    }

    async fn slices_of(&self, item: &Item) -> PortResult<(Entry, Vec<Slice>)> {
        let entry = Entry::of(item)?;
        let pieces = self.pieces(POST, item, entry.next).await?;
        let slices = pieces.iter().map(|piece| Slice::read(piece)).collect::<PortResult<_>>()?;
        Ok((entry, slices))
    }

    /// How many slices were posted; nothing when somebody else is at it.
    async fn post_together(&self, mut posting: Posting) -> PortResult<Option<usize>> {
        if posting.taken.is_empty() {
            return Ok(Some(0));
        }
        self.list_products(posting.products()).await?;
        let table = self.resources().name(Resource::Sessions)?;
        loop {
            let positions = match self.commit(POST, posting.writes(table)?).await? {
                Outcome::Committed => break,
                Outcome::Refused(positions) => positions,
            };
            // What is stored was said later; reading a lane while somebody commits may show a commit and not the one before.
            if !posting.forgets(&positions) {
                return Ok(None);
            }
        }
        let slices = posting.taken.values().map(|taken| taken.slices).sum();
        let finished = posting.taken.into_values().filter(Taken::is_finished);
        self.drop_beside(POST, finished.map(|taken| taken.entry.parts)).await;
        Ok(Some(slices))
    }
}

/// How far a pass over some entries came, and how many slices it posted.
enum Pass {
    Posted(usize),
    /// Somebody else posts the same.
    Overtaken(usize),
}

/// An entry of a lane.
#[derive(Debug, Clone)]
struct Entry {
    key: Key,
    /// The next slice to be posted.
    next: usize,
    parts: Parts,
    /// The partition of its owner, and the version that committed; nothing for an amendment.
    by: Option<(String, u64)>,
}

impl Entry {
    fn of(item: &Item) -> PortResult<Self> {
        let by = match item.text_if("owner")? {
            Some(owner) => Some((owner.to_owned(), item.number("version")?)),
            None => None,
        };
        Ok(Self {
            key: (item.text("pk")?.to_owned(), item.text("sk")?.to_owned()),
            next: item.number("next")?,
            parts: Parts::of(item)?,
            by,
        })
    }

    /// Where an incident of this entry lies; nothing for an amendment, which has none.
    fn incident_key(&self, stored: &StoredIncident) -> Option<Key> {
        let (partition, _) = self.by.as_ref()?;
        Some((partition.clone(), stored.incident.incident_id.clone()))
    }
}

/// Slices of one entry that are posted together.
#[derive(Debug)]
struct Taken {
    entry: Entry,
    from: usize,
    slices: usize,
}

impl Taken {
    /// The entry goes, or says how far it is posted; if nobody else was there before.
    fn write(&self, table: &str) -> Write {
        let (pk, sk) = &self.entry.key;
        let key = key(pk, sk);
        let write = if self.is_finished() {
            Write::delete(table, key)
        } else {
            Write::update(table, key, "SET #next = :after")
                .value(":after", number(self.from + self.slices))
        };
        write.when("#next = :next").name("#next", "next").value(":next", number(self.from))
    }

    fn is_finished(&self) -> bool {
        self.from + self.slices >= self.entry.parts.count
    }
}

type Key = (String, String);

/// What one transaction posts.
#[derive(Debug, Default)]
struct Posting {
    taken: BTreeMap<Key, Taken>,
    /// By owner and id: the last that was said of each.
    incidents: BTreeMap<Key, (u64, StoredIncident)>,
    cells: Cells,
    bytes: usize,
}

impl Posting {
    /// True when the slice fits beside what is there already. Any slice fits alone.
    fn takes(&self, entry: &Entry, slice: &Slice) -> bool {
        if self.taken.is_empty() {
            return true;
        }
        let new_entry = usize::from(!self.taken.contains_key(&entry.key));
        let is_new = |stored: &&StoredIncident| {
            entry.incident_key(stored).is_some_and(|key| !self.incidents.contains_key(&key))
        };
        let incidents = slice.incidents.iter().filter(is_new).count();
        let cells = slice.cells.keys().filter(|key| !self.cells.contains_key(key)).count();
        let items = self.taken.len() + self.incidents.len() + self.cells.len();
        let fits = |(key, cell): (&CellKey, &Cell)| {
            self.cells.get(key).is_none_or(|held| {
                let sums = cell.sums.keys().filter(|name| !held.sums.contains_key(*name));
                let actors = cell.actors.keys().filter(|slot| !held.actors.contains_key(slot));
                let held = held.sums.len() + held.actors.len();
                held + sums.count() + actors.count() <= AMOUNTS_MAX
            })
        };
        items + new_entry + incidents + cells <= TRANSACTION_ITEMS_MAX
            && self.bytes + slice.bytes <= BYTES_MAX
            && slice.cells.iter().all(fits)
    }

    fn add(&mut self, entry: &Entry, at: usize, slice: Slice) {
        let taken = self.taken.entry(entry.key.clone());
        taken.or_insert_with(|| Taken { entry: entry.clone(), from: at, slices: 0 }).slices += 1;
        self.bytes += slice.bytes;
        cells::merge(&mut self.cells, &slice.cells);
        let version = entry.by.as_ref().map_or(0, |(_, version)| *version);
        for stored in slice.incidents {
            if let Some(key) = entry.incident_key(&stored) {
                self.incidents.insert(key, (version, stored));
            }
        }
    }

    fn products(&self) -> BTreeSet<(OrgId, ProductId, Timestamp)> {
        let product = |key: &CellKey| (key.org.clone(), key.product.clone(), key.day);
        self.cells.keys().map(product).collect()
    }

    /// Entries, then incidents, then cells.
    fn writes(&self, table: &str) -> PortResult<Vec<Write>> {
        let mut writes: Vec<Write> = self.taken.values().map(|taken| taken.write(table)).collect();
        for ((partition, _), (version, stored)) in &self.incidents {
            let put = Write::put(table, incident_item(partition, *version, stored)?)
                .when("attribute_not_exists(version) OR version < :version")
                .value(":version", number(version));
            writes.push(put);
        }
        writes.extend(self.cells.iter().map(|(key, cell)| addition(table, key, cell)));
        Ok(writes)
    }

    /// Forgets incidents whose writes were refused; false when anything else was.
    fn forgets(&mut self, positions: &[usize]) -> bool {
        let keys: Vec<Key> = self.incidents.keys().cloned().collect();
        for position in positions {
            let at = position.checked_sub(self.taken.len());
            match at.and_then(|at| keys.get(at)) {
                Some(key) => drop(self.incidents.remove(key)),
                None => return false,
            }
        }
        !positions.is_empty()
    }
}

const POST: &str = "sessions.post";
const LANES_AT_ONCE: usize = 8;
const ENTRIES_AT_ONCE: i32 = 50;
/// A transaction takes 4 MB; what keys and attributes take is a fraction of what they hold.
const BYTES_MAX: usize = 2_000_000;
