//! Runs of tasks, as [`crate::flow::task_runs`] has them, with a limit that rules can change.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, EventType, Timestamp};

/// A run of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) name: &'a str,
    /// Its beginning.
    pub(super) from: usize,
    pub(super) at: Timestamp,
    /// Its end, completed or cancelled, within the limit.
    pub(super) end: Option<usize>,
}

/// The runs in the events of a session, in the order of their beginnings: from `task.started` to the first end of the same
/// name and id within `open_ms`, exactly that late among them.
pub(super) fn runs(events: &[Event], open_ms: i64) -> Vec<Run<'_>> {
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
pub(super) fn open_at<'a>(
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
