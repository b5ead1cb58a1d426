//! The pump over a stream in memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod memory;
#[cfg(feature = "run")]
mod running;
mod step;
#[cfg(feature = "sim")]
mod weather;
