//! The emitter as its hosts see it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod builders;
mod common;
mod delivery;
mod harm;
#[cfg(feature = "http")]
mod http;
mod privacy;
