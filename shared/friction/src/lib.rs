//! From counted events to understanding: what a session was, where it hurt, how much, and which way people go.
//!
//! Values in, values out, as in `domain`: no I/O, no clock, no randomness. Everything said about a session is a function of
//! the set of its events, of the rules and of the baselines: duplicates, disorder and late events change the answer only by
//! changing the set.
//!
//! ```text
//! events of one owner ─► split ─► segments ─► derive (metrics, detect, score, flow) ─► sessions and incidents
//!                                                                   │
//! what is stored ─► reconcile ◄─────────────────────────────────────┘ ─► changes, and what they add to the cells
//! ```
//!
//! # Layout
//!
//! - [`owner`]: whose events make a session, and their order
//! - [`policy`]: pauses, limits and horizons
//! - [`mod@split`], [`metrics`]: events into sessions, and what is counted in one
//! - [`score`], [`baseline`]: how much it hurt and how well it went, against what is usual
//! - [`flow`]: which way people went
//! - [`rules`], [`mod@detect`]: what counts as friction, and where it is
//! - [`mod@derive`], [`mod@contribution`], [`reconcile`]: a session of its events, what it adds, and what changes what is stored
//! - [`context`], [`preferences`]: what a session and a person are about, event by event
//! - [`cells`]: sums and counts per day, from which every number of the insights is read
//! - [`insight`], [`disclosure`]: those numbers, each with its sample and what was left out, so that nobody is found by subtracting
//! - [`change`]: what one sweep of one owner commits
#![warn(missing_docs)]

pub mod baseline;
pub mod cells;
pub mod change;
pub mod context;
pub mod contribution;
pub mod derive;
pub mod detect;
pub mod disclosure;
pub mod flow;
pub mod insight;
pub mod metrics;
pub mod owner;
pub mod policy;
pub mod preferences;
pub mod reconcile;
pub mod rules;
#[cfg(test)]
mod sample;
pub mod score;
pub mod split;
#[cfg(test)]
mod trace;
