//! Moments that hurt, found in a session's events by one small state machine per rule.
//!
//! Every rule reads the same [`Scene`]: the events in order and what several rules need of them. What a rule says is a
//! function of the set of events, its thresholds and the [`Ending`]; an incident that is found early stays the same when more
//! events come, unless they explain it.

mod bursts;
mod clicks;
mod dead_click;
mod error_click;
mod finding;
mod rage_click;
mod scene;
mod tasks;

use contract::{Event, Timestamp};

pub use self::finding::Finding;
use self::scene::Scene;
use crate::rules::Rules;

/// How a session's events end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session is over.
    Closed,
    /// It may go on.
    Open {
        /// What is known until.
        now: Timestamp,
    },
}

impl Ending {
    /// True when nothing can happen any more at `at` and before.
    #[must_use]
    pub fn is_past(self, at: Timestamp) -> bool {
        match self {
            Self::Closed => true,
            Self::Open { now } => now > at,
        }
    }
}

/// The incidents in the events of one session, which are in order of time and id and have no id twice. By time, rule and
/// first event.
#[must_use]
pub fn detect(events: &[Event], rules: &Rules, ending: Ending) -> Vec<Finding> {
    let scene = Scene::of(events, rules);
    let mut findings = clicks::find(&scene, ending);
    findings.sort_by(|a, b| a.place().cmp(&b.place()));
    findings
}

/// When something is found in these events though nothing comes, if that is after `now`: when the next task has been open for
/// too long.
#[must_use]
pub fn next_timer(events: &[Event], rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let open_ms = rules.thresholds.abandoned_task.open_ms;
    let runs = tasks::runs(events, open_ms);
    let open = runs.iter().filter(|run| run.end.is_none());
    // Exactly at the limit a completion is still in time.
    let due = open.map(|run| run.at.plus_ms(open_ms).plus_ms(1));
    due.filter(|due| *due > now).min()
}
