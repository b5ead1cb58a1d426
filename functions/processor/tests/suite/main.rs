//! The processor over the embedded store: the failure scenarios that concern it, by name.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod counting;
mod ends;
mod failing;
mod narrow;
mod poison;
mod reporting;
mod rescue;
mod world;
