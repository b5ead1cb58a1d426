//! A click that was followed by an error.

use std::collections::BTreeMap;

use contract::incident::Rule;

use super::{finding::Finding, scene::Scene};
use crate::rules::Settings as _;

/// Error clicks, each with the place of its press among the scene's.
///
/// An event with an `error` belongs to the last press on the same screen that is at most `withinMs` before it; an event that
/// names no screen is on that of the events before it. A press and all its errors are one incident.
pub(super) fn find(scene: &Scene<'_>) -> Vec<(Finding, usize)> {
    let mut errors: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let failed = scene.events().iter().enumerate().filter(|(_, event)| event.error.is_some());
    for (place, error) in failed {
        let past = scene.presses.partition_point(|press| press.at <= error.occurred_at);
        let Some(last) = past.checked_sub(1) else { continue };
        let Some(press) = scene.presses.get(last) else { continue };
        let rules = &press.rules.error_click;
        let is_soon = error.occurred_at.since_ms(press.at) <= rules.within_ms;
        let is_here = press.screen == scene.screen(place);
        if rules.enabled && is_soon && is_here && !press.is.fails_on_purpose {
            errors.entry(last).or_default().push(place);
        }
    }
    let found = errors.into_iter().filter_map(|(pressed, errors)| {
        let press = scene.presses.get(pressed)?;
        let mut places: Vec<usize> = errors;
        places.push(press.place);
        places.sort_unstable();
        places.dedup();
        let thresholds = press.rules.error_click.thresholds();
        Some((Finding::in_events(Rule::ErrorClick, thresholds, scene, &places), pressed))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        detect::{Ending, detect},
        rules::RuleSet,
        trace::{found, seen, short, trace},
    };

    #[test]
    fn an_error_within_a_second_makes_an_error_click() {
        let after =
            |ms: i64| seen(&format!("0 nav /pay\n1000 click pay:button\n{} error E1", 1_000 + ms));
        for (ms, is_found) in [(0, true), (999, true), (1_000, true), (1_001, false)] {
            assert_eq!(!after(ms).is_empty(), is_found, "{ms}");
        }
        assert_eq!(after(999), ["error_click 1000-1999 x2"]);
    }

    #[test]
    fn a_click_and_all_its_errors_are_one_and_no_error_belongs_to_two_clicks() {
        let text = "0 nav /pay\n1000 click pay\n1100 error E1\n1200 error E2\n1300 failed charge";
        assert_eq!(seen(text), ["error_click 1000-1300 x4"]);
        let text = "0 nav /pay\n1000 click pay\n1400 click other\n1900 error E1";
        let findings = found(text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].element.as_deref(), Some("other"));
        let ids: Vec<&str> = findings[0].event_ids.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids, ["e002", "e003"]);
    }

    #[test]
    fn an_error_on_another_screen_or_before_the_click_is_not_its_error() {
        assert!(seen("0 nav /pay\n1000 click pay\n1200 nav /done\n1300 error E1").is_empty());
        assert!(seen("0 nav /pay\n999 error E1\n1000 click pay").is_empty());
        assert!(seen("0 nav /pay\n900 scroll 5\n1300 error E1").is_empty());
    }

    #[test]
    fn what_fails_on_purpose_is_left_out() {
        let set = r#"{"version": 2, "rules": {"error_click": {"ignore": [{"key": "check*"}]}}}"#;
        let rules = RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap());
        let text = "0 nav /a\n0 click check-in\n10 error E1\n2000 click pay\n2010 error E2";
        let findings = detect(&trace(text), &rules, Ending::Closed);
        assert_eq!(findings.iter().map(short).collect::<Vec<_>>(), ["error_click 2000-2010 x2"]);
    }
}
