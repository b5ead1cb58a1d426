//! The batcher over the embedded store, on a clock of its own, against the mock connector.
//!
//! # Layout
//!
//! - [`rig`]: store, clock, mock and batcher, wired up; [`world`]: the ports with something in between
//! - [`ordinary`]: events on their way; [`answers`]: what the connector may answer; [`crashes`]: what may break on our side
//! - [`outage`]: days of simulated trouble; [`neighbours`]: organisations side by side; [`sockets`]: the same over HTTP
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod answers;
mod crashes;
mod neighbours;
mod ordinary;
mod outage;
mod rig;
mod sockets;
mod world;
