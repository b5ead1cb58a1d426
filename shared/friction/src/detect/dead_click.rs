//! A click that did nothing.

use std::collections::BTreeMap;

use contract::{
    Event, EventType, Family, Timestamp,
    incident::{Confidence, Rule},
};

use super::{
    Ending,
    finding::Finding,
    scene::{Press, Scene},
};
use crate::rules::Settings as _;

/// Dead clicks, each with the places of its presses among the scene's.
///
/// A server does not see the page: what clients report with `ui.dead_click` is believed (tag `reported`). Only where the rules
/// declare an element to be interactive, silence says it too (tag `inferred`, low confidence): no event of the session within
/// `responseMs` but further clicks, no other screen, no scroll within `scrollMs`, and no change of the window within
/// `focusMs` before or after. Clicks on the same element within `repeatMs` of a dead click are the same dead click.
pub(super) fn find(scene: &Scene<'_>, ending: Ending) -> Vec<(Finding, Vec<usize>)> {
    let answers = Answers::of(scene);
    let mut dead: Vec<Dead<'_>> = Vec::new();
    let mut last: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
    for (place, press) in scene.presses.iter().enumerate() {
        let rules = &press.rules.dead_click;
        let is_dead = press.report.is_some()
            || press.is.interactive
                && !press.is.answered_elsewhere
                && ending.is_past(press.at.plus_ms(rules.response_ms))
                && !answers.answer(press, scene);
        if !rules.enabled || !is_dead {
            continue;
        }
        let held = last.get(&(press.screen, press.key)).and_then(|at| dead.get_mut(*at));
        match held {
            Some(held) if press.at.since_ms(held.first.at) <= rules.repeat_ms => {
                held.presses.push(place);
            }
            Some(_) | None => {
                last.insert((press.screen, press.key), dead.len());
                dead.push(Dead { first: press, presses: vec![place] });
            }
        }
    }
    dead.into_iter().map(|dead| (dead.finding(scene), dead.presses)).collect()
}

struct Dead<'a> {
    first: &'a Press<'a>,
    presses: Vec<usize>,
}

impl Dead<'_> {
    fn finding(&self, scene: &Scene<'_>) -> Finding {
        let presses = || self.presses.iter().filter_map(|place| scene.presses.get(*place));
        let mut places: Vec<usize> =
            presses().flat_map(|press| [Some(press.place), press.report]).flatten().collect();
        places.sort_unstable();
        places.dedup();
        let thresholds = self.first.rules.dead_click.thresholds();
        let finding = Finding::in_events(Rule::DeadClick, thresholds, scene, &places);
        if presses().any(|press| press.report.is_some()) {
            finding.tagged("reported")
        } else {
            Finding { confidence: Confidence::Low, ..finding }.tagged("inferred")
        }
    }
}

/// What there is beside each event that could answer a click.
struct Answers {
    before: Vec<Near>,
    after: Vec<Near>,
}

/// The nearest things on one side of an event.
#[derive(Clone, Copy, Default)]
struct Near {
    answer: Option<Timestamp>,
    scroll: Option<Timestamp>,
    window: Option<Timestamp>,
}

impl Answers {
    fn of(scene: &Scene<'_>) -> Self {
        let beside = |near: &mut Near, event: &Event| {
            let beside = *near;
            near.see(event);
            Some(beside)
        };
        let before = scene.events().iter().scan(Near::default(), beside).collect();
        let mut after: Vec<Near> =
            scene.events().iter().rev().scan(Near::default(), beside).collect();
        after.reverse();
        Self { before, after }
    }

    fn answer(&self, press: &Press<'_>, scene: &Scene<'_>) -> bool {
        let side = |side: &[Near]| side.get(press.place).copied().unwrap_or_default();
        let (before, after) = (side(&self.before), side(&self.after));
        let rules = &press.rules.dead_click;
        let by = |at: Option<Timestamp>, ms: i64| at.is_some_and(|at| at.since_ms(press.at) <= ms);
        // Of one millisecond, the answer may come first: ids order what time does not.
        let now = |at: Option<Timestamp>| at == Some(press.at);
        by(after.answer, rules.response_ms)
            || by(scene.left_at(press.place), rules.response_ms)
            || by(after.scroll, rules.scroll_ms)
            || by(after.window, rules.focus_ms)
            || before.window.is_some_and(|at| press.at.since_ms(at) <= rules.focus_ms)
            || now(before.answer)
            || now(before.scroll)
    }
}

impl Near {
    fn see(&mut self, event: &Event) {
        let at = Some(event.occurred_at);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "whatever is not a press, a scroll, a change of the window or a crawler's business answers"
        )]
        match event.event_type {
            EventType::UiClick | EventType::UiDeadClick => {}
            EventType::UiScroll => self.scroll = at,
            EventType::UiFocusChange => self.window = at,
            other if other.family() == Family::Crawl => {}
            _ => self.answer = at,
        }
    }
}
