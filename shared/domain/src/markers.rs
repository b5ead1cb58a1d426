//! Packed markers: sixteen bytes say that an event was counted, and many of them share one item.
//!
//! Where an id leaves its marker is a function of the id alone, so whoever asks about it asks at one place. A place is a
//! log of segments that is only ever appended to, under the next free number: two writers that do not know of each other
//! collide at that number and one of them reads again. A log that has grown long is sealed for ever, by the same rule,
//! and its ids go on to a finer place, at the end to an item each.
//!
//! What is here decides and does nothing: [`look_up`] and [`plan()`] work on the logs that the caller has read, and name
//! those that it has to read first.

mod log;
mod place;
mod plan;
mod segment;

pub use log::{Log, SealRule};
pub use place::{EntryKey, Level, PackedId, Place};
pub use plan::{Append, Lookup, Mark, Plan, look_up, plan};
pub use segment::{ENTRIES_MAX, ENTRY_BYTES, Entry, Segment};

#[cfg(test)]
mod tests;
