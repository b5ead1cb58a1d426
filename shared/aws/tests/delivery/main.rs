//! What the laws do not see of the way to the connector: crashes between two writes, lost answers, two at once, limits.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;
mod forming;
mod network;
mod settling;
mod staging;
mod storm;
mod support;
