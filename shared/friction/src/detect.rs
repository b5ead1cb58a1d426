//! Moments that hurt, found in a session's events by one small state machine per rule.
//!
//! Every rule reads the same scene: the events in order and what several rules need of them. What a rule says is a
//! function of the set of events, its thresholds and the [`Ending`]; an incident that is found early stays the same when more
//! events come, unless they explain it.

mod abandoned_task;
mod backtrack;
mod bursts;
mod clicks;
mod context_switch;
mod dead_click;
mod error_click;
mod excessive_scroll;
mod finding;
mod form_abandonment;
mod friction_bursts;
mod mouse_thrash;
mod navigation_loop;
mod rage_click;
mod rage_quit;
mod reformulation;
mod retry_storm;
mod scene;
pub(crate) mod tasks;

use contract::{Event, Timestamp, incident::Rule};

pub use self::finding::Finding;
use self::{scene::Scene, tasks::Run};
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
    findings.extend(
        RULES
            .iter()
            .filter(|(rule, _)| rules.thresholds.is_enabled(*rule))
            .flat_map(|(_, find)| find(&scene, rules, ending)),
    );
    if rules.thresholds.rage_quit.enabled {
        findings.extend(rage_quit::find(&scene, rules, ending, &findings));
    }
    findings.sort_by(|a, b| a.place().cmp(&b.place()));
    findings
}

/// When something is found in these events though nothing comes, if that is after `now`: when the next task has been open for
/// too long.
#[must_use]
pub fn next_timer(events: &[Event], rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let open_ms = rules.thresholds.abandoned_task.open_ms;
    let runs = tasks::runs(events, open_ms);
    let is_open =
        |run: &&Run<'_>| run.end.is_none() && abandoned_task::is_watched(run, events, rules);
    let open = runs.iter().filter(is_open);
    // Exactly at the limit a completion is still in time.
    let due = open.map(|run| run.at.plus_ms(open_ms).plus_ms(1));
    due.filter(|due| *due > now).min()
}

type Find = fn(&Scene<'_>, &Rules, Ending) -> Vec<Finding>;

/// The rules that look at the events alone; those about clicks can differ by element and see to that themselves.
const RULES: &[(Rule, Find)] = &[
    (Rule::Backtrack, |scene, rules, _| backtrack::find(scene, rules)),
    (Rule::AbandonedTask, abandoned_task::find),
    (Rule::FormAbandonment, form_abandonment::find),
    (Rule::ContextSwitch, |scene, rules, _| context_switch::find(scene, rules)),
    (Rule::Loop, navigation_loop::find),
    (Rule::RetryStorm, |scene, rules, _| retry_storm::find(scene, rules)),
    (Rule::Reformulation, |scene, rules, _| reformulation::find(scene, rules)),
    (Rule::OverrideBurst, |scene, rules, _| friction_bursts::overrides(scene, rules)),
    (Rule::ChallengeBurst, |scene, rules, _| friction_bursts::challenges(scene, rules)),
    (Rule::LowConfidenceBurst, |scene, rules, _| friction_bursts::low_confidence(scene, rules)),
    (Rule::MouseThrash, |scene, rules, _| mouse_thrash::find(scene, rules)),
    (Rule::ExcessiveScroll, |scene, rules, _| excessive_scroll::find(scene, rules)),
];

#[cfg(test)]
mod tests;
