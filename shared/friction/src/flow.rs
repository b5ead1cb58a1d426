//! Which way people go: the screens of sessions and tasks, and what they add up to.

mod clean;
mod counting;
mod tasks;
mod timeline;
mod ways;

pub use clean::{BadPathRule, PathRule, PathRules};
pub use counting::contribute;
pub use tasks::task_runs;
pub use ways::{flows, path};

/// How a session's events end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session is over.
    Closed,
    /// It may go on.
    Open {
        /// What is known until.
        now: contract::Timestamp,
    },
}
