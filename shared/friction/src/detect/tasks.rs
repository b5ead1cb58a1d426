//! Runs of tasks, as the rules and [`crate::flow::task_runs`] have them.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, EventType, Timestamp};

/// A run of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) name: &'a str,
    /// Its beginning.
    pub(crate) from: usize,
    pub(crate) at: Timestamp,
    /// Its end, completed or cancelled, within the limit.
    pub(crate) end: Option<usize>,
}

/// The runs in the events of a session, in the order of their beginnings: from `task.started` to the first end of the same
/// name and id within `open_ms`, exactly that late among them.
pub(crate) fn runs(events: &[Event], open_ms: i64) -> Vec<Run<'_>> {
    let mut matching =
        Matching { open_ms, runs: Vec::new(), open: BTreeMap::new(), loose: BTreeMap::new() };
    for (place, event) in events.iter().enumerate() {
        let Some(task) = &event.task else { continue };
        let key = (task.name.as_str(), task.id.as_deref());
        if event.event_type == EventType::TaskStarted {
            matching.begin(key, place, event.occurred_at);
        } else if matches!(event.event_type, EventType::TaskCompleted | EventType::TaskCancelled) {
            matching.end(key, place, event.occurred_at);
        }
    }
    matching.runs
}

/// The task that is open at each event; the one begun last, if there are several.
pub(crate) fn open_at<'a>(
    events: &[Event],
    runs: &[Run<'a>],
    open_ms: i64,
) -> Vec<Option<&'a str>> {
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut begun, mut expired) = (0, 0);
    let mut tasks = Vec::with_capacity(events.len());
    for (place, event) in events.iter().enumerate() {
        while let Some(run) = runs.get(expired)
            && run.at.plus_ms(open_ms) < event.occurred_at
        {
            open.remove(&expired);
            expired += 1;
        }
        while let Some(run) = runs.get(begun)
            && run.from <= place
        {
            open.insert(begun);
            if let Some(end) = run.end {
                ends.insert(end.max(place), begun);
            }
            begun += 1;
        }
        tasks.push(open.last().and_then(|run| runs.get(*run)).map(|run| run.name));
        if let Some(ended) = ends.remove(&place) {
            open.remove(&ended);
        }
    }
    tasks
}

type Key<'a> = (&'a str, Option<&'a str>);

struct Matching<'a> {
    open_ms: i64,
    runs: Vec<Run<'a>>,
    /// Runs without an end, by their place in `runs`.
    open: BTreeMap<Key<'a>, Vec<usize>>,
    /// Ends without a beginning: of one millisecond, the end may come first, since ids order what time does not.
    loose: BTreeMap<Key<'a>, (usize, Timestamp)>,
}

impl<'a> Matching<'a> {
    fn begin(&mut self, key: Key<'a>, from: usize, at: Timestamp) {
        if key.1.is_some() && self.last_open(key, at).is_some() {
            return;
        }
        let end = self.loose.remove(&key).filter(|(_, ended)| *ended == at).map(|(end, _)| end);
        if end.is_none() {
            self.open.entry(key).or_default().push(self.runs.len());
        }
        self.runs.push(Run { name: key.0, from, at, end });
    }

    fn end(&mut self, key: Key<'a>, place: usize, at: Timestamp) {
        let Some(open) = self.last_open(key, at) else {
            self.loose.insert(key, (place, at));
            return;
        };
        self.open.entry(key).or_default().pop();
        if let Some(run) = self.runs.get_mut(open) {
            run.end = Some(place);
        }
    }

    /// The run of `key` that was begun last, if it is still open at `at`.
    fn last_open(&self, key: Key<'a>, at: Timestamp) -> Option<usize> {
        let last = *self.open.get(&key)?.last()?;
        let run = self.runs.get(last)?;
        (at.since_ms(run.at) <= self.open_ms).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use contract::session::FlowOutcome;
    use proptest::prelude::*;

    use super::*;
    use crate::{detect::Ending, flow, policy::TASK_OPEN_MAX_MS, trace::trace};

    #[test]
    fn what_happens_at_the_limit_is_still_in_the_task() {
        let limit = TASK_OPEN_MAX_MS;
        let events = trace(&format!("0 start a\n{limit} viewed\n{} viewed", limit + 1));
        let runs = runs(&events, limit);
        assert_eq!(open_at(&events, &runs, limit), [Some("a"), Some("a"), None]);
    }

    proptest! {
        #[test]
        fn the_runs_are_those_that_flows_and_metrics_have(
            steps in prop::collection::vec((0..3_i64, 0..4_usize, 0..3_usize), 0..40),
        ) {
            let mut at = 0;
            let lines = steps.iter().map(|(gap, what, which)| {
                at += [0, 60_000, TASK_OPEN_MAX_MS][usize::try_from(*gap).unwrap()];
                let what = ["start", "done", "cancel", "start"][*what];
                format!("{at} {what} {}\n", ["a", "b#1", "b#2"][*which])
            });
            let events = trace(&lines.collect::<String>());
            let open = |run: &&Run<'_>| run.end.is_none();
            let own: Vec<_> = runs(&events, TASK_OPEN_MAX_MS)
                .iter()
                .filter(open)
                .map(|run| (run.name.to_owned(), run.at))
                .collect();
            let theirs: Vec<_> = flow::task_runs(&events, Ending::Closed, TASK_OPEN_MAX_MS)
                .into_iter()
                .filter(|run| run.outcome == FlowOutcome::Abandoned)
                .map(|run| (run.name, run.started_at))
                .collect();
            prop_assert_eq!(own, theirs);
        }

        #[test]
        fn an_event_is_in_the_task_that_was_begun_last_and_is_open(
            steps in prop::collection::vec((0..400_000_i64, 0..3_usize, 0..3_usize), 0..40),
        ) {
            let mut at = 0;
            let lines = steps.iter().map(|(gap, what, which)| {
                at += gap;
                format!("{at} {} {}\n", ["start", "done", "cancel"][*what], ["a", "b", "c"][*which])
            });
            let events = trace(&lines.collect::<String>());
            let runs = runs(&events, TASK_OPEN_MAX_MS);
            let open_at = open_at(&events, &runs, TASK_OPEN_MAX_MS);
            for (place, event) in events.iter().enumerate() {
                let is_open = |run: &&Run<'_>| {
                    let in_time = event.occurred_at.since_ms(run.at) <= TASK_OPEN_MAX_MS;
                    run.from <= place && in_time && run.end.is_none_or(|end| end >= place)
                };
                let last = runs.iter().rfind(is_open).map(|run| run.name);
                prop_assert_eq!(open_at[place], last);
            }
        }
    }
}
