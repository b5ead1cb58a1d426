//! Runs of tasks: from a beginning to the end of the same name and id within 15 minutes of event time.

use std::collections::BTreeMap;

use contract::{
    Event, EventType,
    session::{FlowOutcome, TaskRun},
};

use super::Ending;
use super::timeline::{Stretch, Timeline};
use crate::policy::TASK_OPEN_MAX_MS;

/// The runs of tasks in the events of a session (in order), in the order of their beginnings.
///
/// A run goes from `task.started` to the first `task.completed` or `task.cancelled` of the same name and id; when there is
/// none within 15 minutes it was abandoned, and what comes later ends nothing. Exactly 15 minutes is still in time.
/// Beginning a run again that has an id and is open says nothing new; without ids each beginning is a run of its own, and an
/// end is that of the last one begun.
#[must_use]
pub fn task_runs(events: &[Event], ending: Ending) -> Vec<TaskRun> {
    let timeline = Timeline::of(events);
    let measured = |run: Run<'_>| TaskRun {
        name: run.name.to_owned(),
        outcome: run.outcome,
        started_at: timeline.at(run.stretch.from),
        active_ms: timeline.active_ms(run.stretch),
        clicks: timeline.clicks(run.stretch),
    };
    runs(&timeline, ending).into_iter().map(measured).collect()
}

/// A run of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) name: &'a str,
    pub(super) outcome: FlowOutcome,
    pub(super) stretch: Stretch,
}

pub(super) fn runs<'a>(timeline: &Timeline<'a>, ending: Ending) -> Vec<Run<'a>> {
    let mut matching = Matching {
        timeline,
        ending,
        runs: Vec::new(),
        open: BTreeMap::new(),
        loose: BTreeMap::new(),
    };
    for (index, event) in timeline.events().iter().enumerate() {
        let Some(task) = &event.task else { continue };
        let key = Key { name: &task.name, id: task.id.as_deref() };
        if event.event_type == EventType::TaskStarted {
            matching.begin(key, index);
        } else if let Some(outcome) = outcome_of(event.event_type) {
            matching.end(key, index, outcome);
        }
    }
    matching.runs
}

fn outcome_of(kind: EventType) -> Option<FlowOutcome> {
    let ends = [
        (EventType::TaskCompleted, FlowOutcome::Completed),
        (EventType::TaskCancelled, FlowOutcome::Cancelled),
    ];
    ends.into_iter().find(|(end, _)| *end == kind).map(|(_, outcome)| outcome)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    name: &'a str,
    id: Option<&'a str>,
}

struct Matching<'t, 'a> {
    timeline: &'t Timeline<'a>,
    ending: Ending,
    runs: Vec<Run<'a>>,
    /// Runs without an end, by their place in `runs`.
    open: BTreeMap<Key<'a>, Vec<usize>>,
    /// Ends without a beginning: one of the same millisecond may come after its end, since ids order what time does not.
    loose: BTreeMap<Key<'a>, (usize, FlowOutcome)>,
}

impl<'a> Matching<'_, 'a> {
    fn begin(&mut self, key: Key<'a>, index: usize) {
        let at = self.timeline.at(index);
        if key.id.is_some() && self.last_open(key, index).is_some() {
            return;
        }
        let loose = self.loose.remove(&key).filter(|(end, _)| self.timeline.at(*end) == at);
        let (stretch, outcome) = match loose {
            Some((_, outcome)) => (Stretch { from: index, to: index }, outcome),
            None => self.left_open(index),
        };
        if loose.is_none() {
            self.open.entry(key).or_default().push(self.runs.len());
        }
        self.runs.push(Run { name: key.name, outcome, stretch });
    }

    fn end(&mut self, key: Key<'a>, index: usize, outcome: FlowOutcome) {
        let Some(place) = self.last_open(key, index) else {
            self.loose.insert(key, (index, outcome));
            return;
        };
        self.open.entry(key).or_default().pop();
        if let Some(run) = self.runs.get_mut(place) {
            *run = Run { outcome, stretch: Stretch { to: index, ..run.stretch }, ..*run };
        }
    }

    /// The run of `key` that was begun last, if it is still open at the event at `index`.
    fn last_open(&self, key: Key<'a>, index: usize) -> Option<usize> {
        let place = *self.open.get(&key)?.last()?;
        let begun = self.timeline.at(self.runs.get(place)?.stretch.from);
        let open = self.timeline.at(index).since_ms(begun) <= TASK_OPEN_MAX_MS;
        open.then_some(place)
    }

    /// What becomes of a run that nothing ends.
    fn left_open(&self, index: usize) -> (Stretch, FlowOutcome) {
        let until = self.timeline.at(index).plus_ms(TASK_OPEN_MAX_MS);
        let outcome = match self.ending {
            Ending::Open { now } if now <= until => FlowOutcome::Open,
            Ending::Open { .. } | Ending::Closed => FlowOutcome::Abandoned,
        };
        (self.timeline.until(index, until), outcome)
    }
}
