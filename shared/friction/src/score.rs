//! Scores that can be argued with: 0 for a clean session, growing with every incident, explained by their parts, computed
//! again at any time from what a session holds.
//!
//! Models have names and constants that never change ([`model`]); a score says which model it is of.

mod efficiency;
mod frustration;
pub(crate) mod math;
pub mod model;

pub use efficiency::{Performance, baseline_of, efficiency, lostness};
pub use frustration::{Signal, Signals, frustration, screen_frustration, tier};
