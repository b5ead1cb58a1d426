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

#[cfg(test)]
mod tests {
    use contract::{Timestamp, incident::Confidence};

    use crate::{
        detect::{Ending, Finding, detect},
        rules::{RuleSet, Rules},
        trace::{found, seen, trace},
    };

    fn declared() -> Rules {
        let set =
            r#"{"version": 2, "rules": {"dead_click": {"interactive": [{"kind": "button"}]}}}"#;
        RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap())
    }

    fn inferred(text: &str) -> Vec<Finding> {
        let findings = detect(&trace(text), &declared(), Ending::Closed);
        findings.into_iter().filter(|finding| finding.rule.as_str() == "dead_click").collect()
    }

    #[test]
    fn what_a_client_reports_is_believed() {
        let findings = found("0 nav /a\n1000 click buy\n3700 dead buy");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].tags, ["reported"]);
        assert_eq!((findings[0].started_at.ms(), findings[0].count), (1_000, 2));
        assert_eq!(
            seen("0 nav /a\n1000 dead buy"),
            ["dead_click 1000-1000 x1"],
            "without its click"
        );
    }

    #[test]
    fn a_report_is_about_the_oldest_click_of_its_element_within_seven_seconds() {
        let reported =
            |ms: i64| seen(&format!("0 nav /a\n1000 click buy\n{} dead buy", 1_000 + ms));
        assert_eq!(reported(6_999), ["dead_click 1000-7999 x2"]);
        assert_eq!(reported(7_000), ["dead_click 1000-8000 x2"]);
        assert_eq!(reported(7_001), ["dead_click 8001-8001 x1"]);
        let two = "0 nav /a\n1000 click buy\n3000 click buy\n4000 dead buy\n6000 dead buy";
        assert_eq!(seen(two), ["dead_click 1000-4000 x2", "dead_click 3000-6000 x2"]);
        assert_eq!(seen("0 nav /a\n1000 click buy\n1000 dead other").len(), 1);
    }

    #[test]
    fn a_report_of_the_same_millisecond_is_about_its_click_whichever_comes_first() {
        assert_eq!(seen("0 nav /a\n1000 click buy\n1000 dead buy"), ["dead_click 1000-1000 x2"]);
        assert_eq!(seen("0 nav /a\n1000 dead buy\n1000 click buy"), ["dead_click 1000-1000 x2"]);
    }

    #[test]
    fn repeats_within_a_second_are_the_same_dead_click() {
        let dead =
            |ms: i64| seen(&format!("0 nav /a\n1000 dead buy\n{} dead buy", 1_000 + ms)).len();
        assert_eq!((dead(998), dead(999), dead(1_000)), (1, 1, 2));
    }

    #[test]
    fn silence_after_something_interactive_is_a_dead_click() {
        let answer = |what: &str, ms: i64| {
            !inferred(&format!("0 nav /a\n1000 click buy:button\n{} {what}\n9000 lost", 1_000 + ms))
                .is_empty()
        };
        for what in
            ["custom opened", "nav /b", "nav /a", "error E1", "viewed", "done buy", "input name"]
        {
            assert!(!answer(what, 0), "{what}");
            assert!(!answer(what, 2_999), "{what}");
            assert!(!answer(what, 3_000), "{what}");
            assert!(answer(what, 3_001), "{what}");
        }
        assert!(answer("click other", 10), "another click is no answer");
        assert_eq!((answer("scroll 9", 300), answer("scroll 9", 301)), (false, true));
        assert_eq!((answer("lost", 1_000), answer("lost", 1_001)), (false, true));
        for first in ["custom opened", "scroll 9"] {
            let text = format!("0 nav /a\n1000 {first}\n1000 click buy:button\n9000 lost");
            assert!(inferred(&text).is_empty(), "{first} of the same millisecond");
        }
        let opens = &trace("0 nav /a\n1000 click buy:button")[1..];
        assert_eq!(detect(opens, &declared(), Ending::Closed).len(), 1, "a click names its screen");
        let findings = inferred("0 nav /a\n1000 click buy:button\n1500 click buy:button");
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].count, findings[0].confidence), (2, Confidence::Low));
        assert_eq!(findings[0].tags, ["inferred"]);
    }

    #[test]
    fn waking_a_window_up_is_not_a_dead_click() {
        let woken = |ms: i64| {
            !inferred(&format!("{} back\n5000 nav /a\n9000 click buy:button", 9_000 - ms))
                .is_empty()
        };
        assert_eq!((woken(999), woken(1_000), woken(1_001)), (false, false, true));
    }

    #[test]
    fn only_what_is_declared_is_inferred_and_downloads_answer_elsewhere() {
        assert!(
            seen("0 nav /a\n1000 click buy:button").is_empty(),
            "nothing is declared by default"
        );
        assert!(inferred("0 nav /a\n1000 click photo:image").is_empty());
        assert!(inferred("0 nav /a\n1000 click report_download:button").is_empty());
        assert_eq!(inferred("0 nav /a\n1000 click report:button").len(), 1);
    }

    #[test]
    fn an_answer_may_still_come_while_the_session_is_open() {
        let open = |now: i64| {
            let ending = Ending::Open { now: Timestamp::from_ms(now) };
            detect(&trace("0 nav /a\n1000 click buy:button"), &declared(), ending).len()
        };
        assert_eq!((open(3_999), open(4_000), open(4_001)), (0, 0, 1));
    }
}
