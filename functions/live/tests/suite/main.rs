//! A session's context, live: over the embedded store, behind a gateway for WebSockets, to real clients.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod client;
mod hostile;
mod law;
mod listening;
mod world;
