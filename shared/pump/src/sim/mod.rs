//! Bad weather by seed: what an event source mapping and its function go through in years, in one second.
//!
//! - [`Weather`]: how often each misfortune happens
//! - [`Stormy`]: a function that crashes, runs twice, or whose answer is lost
//! - [`Mapping`]: a pump whose state, checkpoint and batch size do not stay as they were
//! - [`interleave`]: tasks that overtake each other at every await and can be dropped there
//!
//! Everything follows from the seed as long as the world's futures do: put a `ports::faulty::Faulty` world with a
//! stepwise plan underneath, which makes every await a step that can be counted.

mod function;
mod mapping;
mod schedule;

pub use function::Stormy;
pub use mapping::{Mapping, Turn};
pub use ports::{chance::Chance, faulty::complete};
pub use schedule::{Task, interleave};

/// How many cases of a hundred go wrong, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// The function is dropped at one of its awaits.
    pub crash: u8,
    /// The function finishes, but its answer is lost.
    pub lost_answer: u8,
    /// The function is handed the batch twice, and only the second answer counts.
    pub twice: u8,
    /// The function is not run at all.
    pub not_run: u8,
    /// The consumer forgets what is under way and begins again at its checkpoint.
    pub restart: u8,
    /// The consumer begins again at an earlier checkpoint.
    pub rewind: u8,
    /// The batch size changes.
    pub resize: u8,
}

impl Weather {
    /// Everything goes wrong, often enough to meet and seldom enough to get on.
    #[must_use]
    pub fn storm() -> Self {
        Self { crash: 15, lost_answer: 5, twice: 10, not_run: 3, restart: 5, rewind: 5, resize: 20 }
    }
}
