//! One append to a place: entries of sixteen bytes, or the seal.

use super::place::{ENTRY_KEY_BYTES, EntryKey};

/// A marker: which event, and what is remembered about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The event.
    pub key: EntryKey,
    /// Its `ck` where it was counted, its batch's number where it was forwarded.
    pub payload: u32,
}

/// What one append wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Markers.
    Entries(Vec<Entry>),
    /// The place takes no more: what is not here is at a finer place.
    Seal,
}

impl Segment {
    /// The bytes of entries; a seal has none.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Entries(entries) => entries
                .iter()
                .flat_map(|entry| entry.key.0.into_iter().chain(entry.payload.to_be_bytes()))
                .collect(),
            Self::Seal => Vec::new(),
        }
    }

    /// How many bytes [`Self::encode`] gives.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.len() * ENTRY_BYTES,
            Self::Seal => 0,
        }
    }

    /// Reads entries back; nothing when the bytes are cut off.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let entry = |bytes: &[u8; ENTRY_BYTES]| {
            let (key, payload) = bytes.split_first_chunk::<ENTRY_KEY_BYTES>()?;
            let payload = u32::from_be_bytes(*payload.first_chunk()?);
            Some(Entry { key: EntryKey(*key), payload })
        };
        let entries = entries.iter().map(entry).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self::Entries(entries))
    }
}

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 16;
/// Most entries in one segment, 64 KB: an item holds 400 KB at most.
pub const ENTRIES_MAX: usize = 4_096;
