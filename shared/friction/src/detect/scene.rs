//! A session's events with what several rules need of them, each worked out once and in one go.

use std::collections::{BTreeMap, VecDeque};

use contract::{Event, EventType, Timestamp};

use super::tasks::{self, Run};
use crate::rules::{ElementRules, Names, Rules};

/// A session's events and what several rules need of them.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    events: &'a [Event],
    /// On which screen each event is: its own, or that of the last event that names one.
    screens: Vec<Option<&'a str>>,
    /// Stays on screens, in order.
    pub(super) visits: Vec<Visit<'a>>,
    /// Presses, in order of time.
    pub(super) presses: Vec<Press<'a>>,
    /// Runs of tasks, in the order of their beginnings.
    pub(super) runs: Vec<Run<'a>>,
    /// In which run of a task each event is.
    tasks: Vec<Option<&'a str>>,
}

/// A stay on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit<'a> {
    pub(super) screen: &'a str,
    /// The first event on it.
    pub(super) from: usize,
    /// The first event after it, or how many events there are.
    pub(super) until: usize,
}

/// A press on an element. `ui.click` is one. `ui.dead_click` says that one did nothing: the oldest click on the same element
/// of the same screen that nothing was said about and that is at most `reportMs` old; where there is none, it is the press.
#[derive(Debug, Clone, Copy)]
pub(super) struct Press<'a> {
    pub(super) place: usize,
    pub(super) at: Timestamp,
    /// Where a client says that it did nothing.
    pub(super) report: Option<usize>,
    pub(super) key: &'a str,
    pub(super) screen: Option<&'a str>,
    pub(super) rules: &'a ElementRules,
    pub(super) is: Is,
}

/// What the rules say about an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Is {
    pub(super) no_rage: bool,
    pub(super) answered_elsewhere: bool,
    pub(super) fails_on_purpose: bool,
    pub(super) interactive: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn of(events: &'a [Event], rules: &'a Rules) -> Self {
        let screens = screens(events);
        let open_ms = rules.thresholds.abandoned_task.open_ms;
        let runs = tasks::runs(events, open_ms);
        Self {
            visits: visits(events),
            presses: Presses::of(events, &screens, rules),
            tasks: tasks::open_at(events, &runs, open_ms),
            runs,
            screens,
            events,
        }
    }

    pub(super) fn events(&self) -> &'a [Event] {
        self.events
    }

    pub(super) fn at(&self, place: usize) -> Timestamp {
        self.events.get(place).map(|event| event.occurred_at).unwrap_or_default()
    }

    /// The screen that the event at `place` is on.
    pub(super) fn screen(&self, place: usize) -> Option<&'a str> {
        self.screens.get(place).copied().flatten()
    }

    /// The task that was open at the event at `place`; the one begun last, if there are several.
    pub(super) fn task(&self, place: usize) -> Option<&'a str> {
        self.tasks.get(place).copied().flatten()
    }

    /// When the screen changed that the event at `place` is on.
    pub(super) fn left_at(&self, place: usize) -> Option<Timestamp> {
        let here = self.visits.partition_point(|visit| visit.from <= place);
        self.visits.get(here).map(|next| self.at(next.from))
    }

    /// The places and times of the events that `wanted` says.
    pub(super) fn places(&self, wanted: impl Fn(&Event) -> bool) -> Vec<(usize, Timestamp)> {
        let numbered = self.events.iter().enumerate();
        let wanted = numbered.filter(|(_, event)| wanted(event));
        wanted.map(|(place, event)| (place, event.occurred_at)).collect()
    }

    /// The places of the events from one to another, the latter not among them.
    pub(super) fn between(
        &self,
        from: usize,
        until: usize,
    ) -> impl Iterator<Item = (usize, &'a Event)> {
        (from..).zip(self.events.get(from..until).unwrap_or_default())
    }
}

fn screens(events: &[Event]) -> Vec<Option<&str>> {
    let mut here = None;
    events
        .iter()
        .map(|event| {
            here = event.screen.as_deref().or(here);
            here
        })
        .collect()
}

fn visits(events: &[Event]) -> Vec<Visit<'_>> {
    let mut visits: Vec<Visit<'_>> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let Some(screen) = event.screen.as_deref() else { continue };
        match visits.last_mut() {
            Some(visit) if visit.screen == screen => continue,
            Some(visit) => visit.until = place,
            None => {}
        }
        visits.push(Visit { screen, from: place, until: events.len() });
    }
    visits
}

type ElementName<'a> = (Option<&'a str>, Option<&'a str>, &'a str);

struct Presses<'a> {
    rules: &'a Rules,
    presses: Vec<Press<'a>>,
    /// What the rules say, by screen, kind and key.
    known: BTreeMap<ElementName<'a>, (&'a ElementRules, Is)>,
    /// Presses that nothing was said about, by screen and key.
    unsaid: BTreeMap<(Option<&'a str>, &'a str), VecDeque<usize>>,
}

impl<'a> Presses<'a> {
    fn of(events: &'a [Event], screens: &[Option<&'a str>], rules: &'a Rules) -> Vec<Press<'a>> {
        let mut presses =
            Self { rules, presses: Vec::new(), known: BTreeMap::new(), unsaid: BTreeMap::new() };
        for ((place, event), screen) in events.iter().enumerate().zip(screens) {
            if event.event_type == EventType::UiClick {
                presses.click(place, event, *screen);
            } else if event.event_type == EventType::UiDeadClick {
                presses.report(place, event, *screen);
            }
        }
        presses.presses
    }

    fn click(&mut self, place: usize, event: &'a Event, screen: Option<&'a str>) {
        let Some(press) = self.press(place, event, screen) else { return };
        // Of one millisecond, the report may come first: ids order what time does not.
        if let Some(last) = self.presses.last_mut()
            && last.report == Some(last.place)
            && (last.at, last.screen, last.key) == (press.at, screen, press.key)
        {
            *last = Press { report: last.report, ..press };
            return;
        }
        self.unsaid.entry((screen, press.key)).or_default().push_back(self.presses.len());
        self.presses.push(press);
    }

    fn report(&mut self, place: usize, event: &'a Event, screen: Option<&'a str>) {
        let Some(press) = self.press(place, event, screen) else { return };
        let oldest = press.at.plus_ms(-press.rules.dead_click.report_ms);
        let unsaid = self.unsaid.entry((screen, press.key)).or_default();
        while let Some(clicked) = unsaid.pop_front() {
            if let Some(click) = self.presses.get_mut(clicked)
                && click.at >= oldest
            {
                click.report = Some(place);
                return;
            }
        }
        self.presses.push(Press { report: Some(place), ..press });
    }

    fn press(
        &mut self,
        place: usize,
        event: &'a Event,
        screen: Option<&'a str>,
    ) -> Option<Press<'a>> {
        let element = event.element.as_ref()?;
        let name = (screen, element.kind.as_deref(), element.key.as_str());
        let all = self.rules;
        let (rules, is) = *self.known.entry(name).or_insert_with(|| {
            let names = Names::of(event).on_screen(screen);
            let rules = all.on(&names);
            let is = Is {
                no_rage: names.are_in(&rules.rage_click.ignore),
                answered_elsewhere: names.are_in(&rules.dead_click.ignore),
                fails_on_purpose: names.are_in(&rules.error_click.ignore),
                interactive: names.are_in(&rules.dead_click.interactive),
            };
            (rules, is)
        });
        let at = event.occurred_at;
        Some(Press { place, at, report: None, key: &element.key, screen, rules, is })
    }
}
