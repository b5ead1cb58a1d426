//! The API, over a real server, the embedded store, and sessions that the sessionizer made of events.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod access;
mod books;
mod client;
mod context;
mod cursors;
mod description;
mod hostile;
mod lists;
mod naming;
mod numbers;
mod preferences;
mod replay;
#[cfg(feature = "websocket")]
mod stream;
mod unusual;
mod world;
