//! A session's events with what lies before each of them summed up, so that any stretch of it is measured at once.

use contract::{Event, EventType, Timestamp, limits::ACTIVE_GAP_MS};

/// The events of a session, in order.
#[derive(Debug)]
pub(super) struct Timeline<'a> {
    events: &'a [Event],
    /// Time until each event, pauses left out, ms.
    active_ms: Vec<i64>,
    /// Clicks until each event, itself among them.
    clicks: Vec<u32>,
    /// Where screens change.
    steps: Vec<Step<'a>>,
}

/// A stretch of a session, from one event to another, both in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The first event on a screen after another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) index: usize,
    pub(super) at: Timestamp,
    pub(super) screen: &'a str,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(events: &'a [Event]) -> Self {
        let mut timeline = Self {
            events,
            active_ms: Vec::with_capacity(events.len()),
            clicks: Vec::with_capacity(events.len()),
            steps: Vec::new(),
        };
        let (mut active_ms, mut clicks) = (0_i64, 0_u32);
        let mut before = None;
        for (index, event) in events.iter().enumerate() {
            let at = event.occurred_at;
            let gap = before.map_or(0, |before| at.since_ms(before));
            before = Some(at);
            active_ms = active_ms.saturating_add(if gap <= ACTIVE_GAP_MS { gap } else { 0 });
            clicks = clicks.saturating_add((event.event_type == EventType::UiClick).into());
            timeline.active_ms.push(active_ms);
            timeline.clicks.push(clicks);
            timeline.step(index, event);
        }
        timeline
    }

    pub(super) fn events(&self) -> &'a [Event] {
        self.events
    }

    /// All of it; nothing of no events.
    pub(super) fn whole(&self) -> Option<Stretch> {
        Some(Stretch { from: 0, to: self.events.len().checked_sub(1)? })
    }

    /// From the event at `from` to the last one until `until`.
    pub(super) fn until(&self, from: usize, until: Timestamp) -> Stretch {
        let past = self.events.partition_point(|event| event.occurred_at <= until);
        Stretch { from, to: past.saturating_sub(1).max(from) }
    }

    pub(super) fn at(&self, index: usize) -> Timestamp {
        self.events.get(index).map(|event| event.occurred_at).unwrap_or_default()
    }

    pub(super) fn duration_ms(&self, stretch: Stretch) -> i64 {
        self.at(stretch.to).since_ms(self.at(stretch.from))
    }

    /// Its time, pauses left out, ms.
    pub(super) fn active_ms(&self, stretch: Stretch) -> i64 {
        let until = |index| self.active_ms.get(index).copied().unwrap_or_default();
        until(stretch.to) - until(stretch.from)
    }

    pub(super) fn clicks(&self, stretch: Stretch) -> u32 {
        let until = |index: Option<usize>| index.and_then(|index| self.clicks.get(index)).copied();
        let before = until(stretch.from.checked_sub(1)).unwrap_or_default();
        until(Some(stretch.to)).unwrap_or_default().saturating_sub(before)
    }

    /// The screens of a stretch in order, repeats collapsed: the one it begins on first, from its beginning.
    pub(super) fn steps(&self, stretch: Stretch) -> impl Iterator<Item = Step<'a>> + '_ {
        let begun = self.steps.partition_point(|step| step.index <= stretch.from);
        let past = self.steps.partition_point(|step| step.index <= stretch.to);
        let began_at = self.at(stretch.from);
        let first = begun.checked_sub(1).and_then(|last| self.steps.get(last));
        let first = first.map(|step| Step { index: stretch.from, at: began_at, ..*step });
        first.into_iter().chain(self.steps.get(begun..past).unwrap_or_default().iter().copied())
    }

    fn step(&mut self, index: usize, event: &'a Event) {
        if let Some(screen) = event.screen.as_deref()
            && self.steps.last().is_none_or(|step| step.screen != screen)
        {
            self.steps.push(Step { index, at: event.occurred_at, screen });
        }
    }
}
