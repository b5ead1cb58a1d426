//! The store as its callers see it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod books;
mod delivery;
mod durability;
mod files;
mod intake;
mod model;
mod sessions;
mod upkeep;
mod world;
