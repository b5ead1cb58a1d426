//! What the suite needs from the world, in its own words.
//!
//! Every trait has one to three methods and every method states its idempotency. Implementations take no decision:
//! what to write was decided in `domain` before. Futures are `Send`, so that a handler runs on any executor.
//!
//! # Layout
//!
//! - [`intake`], [`stream`]: how events get in, and the log that carries them
//! - [`ledger`], [`archive`], [`mod@reference`]: what the processor reads and writes
//! - [`staging`], [`delivery`], [`endpoint`]: the way to the connector
//! - [`sessions`], [`projections`], [`rules`]: events of sessions in order, what is made of them, and what counts as friction
//! - [`warehouse`]: where rows go for questions that nobody thought of before
//! - [`watches`]: those who listen to a session's context, and the way to them
//! - [`keys`], [`bus`], [`accounts`], [`clock`]: keys, announcements, reading, time
//! - [`error`]: the world failing
//! - `faulty` and `laws` (features of these names), `chance`, `steps`: making any implementation fail, and judging it
#![warn(missing_docs)]

pub mod accounts;
pub mod archive;
pub mod bus;
#[cfg(any(feature = "faulty", feature = "laws"))]
pub mod chance;
pub mod clock;
pub mod delivery;
pub mod endpoint;
pub mod error;
#[cfg(feature = "faulty")]
pub mod faulty;
pub mod intake;
pub mod keys;
#[cfg(feature = "laws")]
pub mod laws;
pub mod ledger;
pub mod projections;
pub mod reference;
pub mod rules;
pub mod sessions;
pub mod staging;
#[cfg(any(feature = "faulty", feature = "laws"))]
pub mod steps;
pub mod stream;
pub mod warehouse;
pub mod watches;

pub use error::{PortError, PortResult};
