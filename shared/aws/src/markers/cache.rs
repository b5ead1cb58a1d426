//! What this process has read of places. They only grow, so what was read stays true; it may be forgotten at any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::markers::{Log, Segment};

use super::{Freshness, PlaceKey};
use crate::shelf::Shelf;

/// The places that this process remembers, the last used ones up to a bound.
#[derive(Debug)]
pub(crate) struct Markers(Mutex<Shelf<PlaceKey, Seen>>);

#[derive(Debug)]
struct Seen {
    log: Arc<Log>,
    reach: Reach,
}

/// How far a log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To its end, as far as this process knows.
    End,
    /// Somebody else wrote on.
    Part,
}

impl Default for Markers {
    fn default() -> Self {
        Self(Mutex::new(Shelf::new(BYTES_MAX)))
    }
}

/// What is known of a place.
pub(super) enum Known {
    /// Enough.
    Enough(Arc<Log>),
    /// It has to be read on.
    Behind(Arc<Log>),
}

impl Markers {
    /// What is known of a place.
    pub(super) fn log(&self, place: &PlaceKey, freshness: Freshness) -> Known {
        let mut shelf = self.shelf();
        let Some(seen) = shelf.get(place) else { return Known::Behind(Arc::default()) };
        let log = Arc::clone(&seen.log);
        let is_enough = match freshness {
            Freshness::Now => log.is_sealed(),
            Freshness::AsKnown => seen.reach == Reach::End,
        };
        if is_enough { Known::Enough(log) } else { Known::Behind(log) }
    }

    /// Remembers what was read.
    pub(super) fn hold(&self, place: PlaceKey, log: &Arc<Log>) {
        let mut shelf = self.shelf();
        // Somebody may have read further in the meantime.
        if shelf.get(&place).is_none_or(|seen| seen.log.last() <= log.last()) {
            keep(&mut shelf, place, Arc::clone(log));
        }
    }

    /// Remembers what was written.
    pub(super) fn append(&self, place: PlaceKey, number: u32, segment: &Segment) {
        let mut shelf = self.shelf();
        let mut log = match shelf.take(&place) {
            Some(seen) => seen.log,
            // The first segment of a place is all there is.
            None if number == 0 => Arc::default(),
            None => return,
        };
        // Not so when somebody read further in the meantime.
        if log.next() == number {
            Arc::make_mut(&mut log).append(number, segment);
        }
        keep(&mut shelf, place, log);
    }

    /// Somebody else wrote to this place.
    pub(super) fn outdate(&self, place: &PlaceKey) {
        if let Some(seen) = self.shelf().get(place) {
            seen.reach = Reach::Part;
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<PlaceKey, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(shelf: &mut Shelf<PlaceKey, Seen>, place: PlaceKey, log: Arc<Log>) {
    let weight = PLACE_BYTES + log.bytes() * TABLE_FACTOR;
    shelf.put(place, Seen { log, reach: Reach::End }, weight);
}

/// 16 MiB: some hundred thousand events.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Keys and bookkeeping of one place.
const PLACE_BYTES: usize = 512;
/// A hash table holds its entries in about twice their size.
const TABLE_FACTOR: usize = 2;
