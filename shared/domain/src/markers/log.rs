//! What is known of a place: its segments so far.

use std::collections::HashMap;

use super::{
    place::EntryKey,
    segment::{ENTRY_BYTES, Segment},
};

/// The segments of a place that were read. A log only grows, so what is known of it stays true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    entries: HashMap<EntryKey, u32>,
    last: Option<u32>,
    sealed: bool,
}

/// When a place has taken enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealRule {
    /// Bytes of entries.
    pub bytes: usize,
    /// Segments.
    pub segments: u32,
}

impl SealRule {
    /// Reading a place anew takes one call and few pages.
    pub const REAL: Self = Self { bytes: 64 * 1024, segments: 256 };
}

impl Log {
    /// Takes in the segment under `number`; one that is known changes nothing.
    pub fn append(&mut self, number: u32, segment: &Segment) {
        if self.last.is_some_and(|last| number <= last) {
            return;
        }
        self.last = Some(number);
        match segment {
            Segment::Entries(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.key, entry.payload)));
            }
            Segment::Seal => self.sealed = true,
        }
    }

    /// What is remembered about an event.
    #[must_use]
    pub fn find(&self, key: EntryKey) -> Option<u32> {
        self.entries.get(&key).copied()
    }

    /// The number of the last segment, if there is any.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.last
    }

    /// The number that the next segment takes.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.last.map_or(0, |last| last.saturating_add(1))
    }

    /// True when nothing is appended any more, ever.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// True when the next segment is the seal.
    #[must_use]
    pub fn is_full(&self, rule: SealRule) -> bool {
        self.bytes() >= rule.bytes || self.next() >= rule.segments
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.len() * ENTRY_BYTES
    }
}
