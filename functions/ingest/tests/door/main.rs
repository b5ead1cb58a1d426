//! The door, over a real server and the embedded store.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod answers;
mod hostile;
mod http;
mod stores;
mod world;
