//! Several quick clicks on one thing.

use contract::{
    Event,
    incident::{Confidence, Rule},
};

use super::{
    finding::Finding,
    scene::{Press, Scene},
};
use crate::rules::{Bound, Metric, RageClick, Settings as _};

/// What other rules say about a press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hurt {
    pub(super) dead: bool,
    pub(super) error: bool,
}

/// Rage clicks. `hurt` says for each press what else it was.
///
/// A run is presses on one screen, each at most `gapMs` after the one before and on the same thing: the same element, or a
/// place within `distancePx` of the one before. A run with `minClicks` presses in a row within `spanMs` is one incident that
/// counts them all. The first press decides under which rules; a press on something ignored ends a run and begins none.
///
/// High confidence: one of the presses was dead or followed by an error. Low: no more presses than it takes, each within
/// `selectionGapMs`, on something of unknown kind, which may be how text is selected.
pub(super) fn find(scene: &Scene<'_>, hurt: &[Hurt]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut run: Vec<usize> = Vec::new();
    for (place, press) in scene.presses.iter().enumerate() {
        let goes_on = run
            .first()
            .zip(run.last())
            .and_then(|(first, last)| scene.presses.get(*first).zip(scene.presses.get(*last)))
            .is_some_and(|(first, last)| goes_with(last, press, &first.rules.rage_click, scene));
        if !goes_on || press.is.no_rage {
            found.extend(burst(scene, &run, hurt));
            run.clear();
        }
        if !press.is.no_rage {
            run.push(place);
        }
    }
    found.extend(burst(scene, &run, hurt));
    found
}

fn goes_with(last: &Press<'_>, press: &Press<'_>, rules: &RageClick, scene: &Scene<'_>) -> bool {
    let is_same = match rules.metric {
        Metric::Element => last.key == press.key || is_near(last, press, rules, scene),
        Metric::Manhattan | Metric::Euclidean => is_near(last, press, rules, scene),
    };
    press.at.since_ms(last.at) <= rules.gap_ms && last.screen == press.screen && is_same
}

fn is_near(last: &Press<'_>, press: &Press<'_>, rules: &RageClick, scene: &Scene<'_>) -> bool {
    let point = |press: &Press<'_>| {
        let element = scene.events().get(press.place)?.element.as_ref()?;
        Some((f64::from(element.x?), f64::from(element.y?)))
    };
    let Some(((ax, ay), (bx, by))) = point(last).zip(point(press)) else { return false };
    let (dx, dy) = (ax - bx, ay - by);
    let limit = rules.distance_px;
    // Squares of whole numbers are exact, a root is not.
    let (distance, limit) = match rules.metric {
        Metric::Manhattan => (dx.abs() + dy.abs(), limit),
        Metric::Element | Metric::Euclidean => (dx * dx + dy * dy, limit * limit),
    };
    match rules.distance_bound {
        Bound::AtMost => distance <= limit,
        Bound::Below => distance < limit,
    }
}

fn burst(scene: &Scene<'_>, run: &[usize], hurt: &[Hurt]) -> Option<Finding> {
    let presses: Vec<&Press<'_>> = run.iter().filter_map(|at| scene.presses.get(*at)).collect();
    let rules = &presses.first()?.rules.rage_click;
    let is_quick = |few: &[&Press<'_>]| {
        few.first().zip(few.last()).is_some_and(|(a, b)| b.at.since_ms(a.at) <= rules.span_ms)
    };
    if !rules.enabled || !presses.windows(rules.min_clicks.max(1)).any(is_quick) {
        return None;
    }
    let is = |what: fn(&Hurt) -> bool| run.iter().filter_map(|at| hurt.get(*at)).any(what);
    let (dead, error) = (is(|hurt| hurt.dead), is(|hurt| hurt.error));
    let confidence = if dead || error {
        Confidence::High
    } else if may_select(&presses, rules, scene) {
        Confidence::Low
    } else {
        Confidence::Medium
    };
    let places: Vec<usize> = presses.iter().map(|press| press.place).collect();
    let finding = Finding::in_events(Rule::RageClick, rules.thresholds(), scene, &places);
    let mut finding = Finding { confidence, ..finding }.tagged(rules.metric.as_str());
    finding.tags.extend(dead.then(|| "deadClick".to_owned()));
    finding.tags.extend(error.then(|| "errorClick".to_owned()));
    Some(finding)
}

fn may_select(presses: &[&Press<'_>], rules: &RageClick, scene: &Scene<'_>) -> bool {
    let has_kind =
        |event: &Event| event.element.as_ref().is_some_and(|element| element.kind.is_some());
    let knows = |press: &&Press<'_>| scene.events().get(press.place).is_some_and(has_kind);
    let is_quick = |pair: &[&Press<'_>]| {
        pair.first()
            .zip(pair.last())
            .is_some_and(|(a, b)| b.at.since_ms(a.at) <= rules.selection_gap_ms)
    };
    presses.len() <= rules.min_clicks
        && !presses.iter().any(knows)
        && presses.windows(2).all(is_quick)
}

#[cfg(test)]
mod tests {
    use contract::incident::{Confidence, Rule};

    use crate::{
        detect::{Ending, Finding, detect},
        rules::RuleSet,
        trace::{found, seen, seen_by, trace},
    };

    fn clicks(what: &str, times: &[i64]) -> String {
        times.iter().map(|ms| format!("{ms} click {what}\n")).collect()
    }

    #[test]
    fn three_clicks_each_within_a_second_of_the_last_are_a_burst() {
        for (gap, expected) in [(999, 1), (1_000, 1), (1_001, 0)] {
            assert_eq!(
                seen(&clicks("pay:button", &[0, gap, 2 * gap - 1])).len(),
                expected,
                "{gap}"
            );
        }
        assert!(seen(&clicks("pay:button", &[0, 100])).is_empty());
    }

    #[test]
    fn three_of_them_must_lie_within_two_seconds() {
        for (last, expected) in [(1_999, 1), (2_000, 1), (2_001, 0)] {
            let set = r#"{"version": 2, "rules": {"rage_click": {"gapMs": 1500}}}"#;
            let rules = RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap());
            let events = trace(&clicks("pay:button", &[0, 1_000, last]));
            assert_eq!(detect(&events, &rules, Ending::Closed).len(), expected, "{last}");
        }
    }

    #[test]
    fn a_burst_is_one_incident_that_counts_all_its_clicks() {
        let burst: Vec<i64> = (0..40).map(|n| n * 900).collect();
        assert_eq!(seen(&clicks("pay:button", &burst)), ["rage_click 0-35100 x40"]);
        let two = clicks("pay:button", &[0, 100, 200, 1_201, 1_300, 1_400]);
        assert_eq!(seen_by("rage_click", &two), ["rage_click 0-200 x3", "rage_click 1201-1400 x3"]);
    }

    #[test]
    fn a_burst_of_hundreds_names_fifty_events_and_counts_all() {
        let burst: Vec<i64> = (0..300).map(|n| n * 10).collect();
        let findings = found(&clicks("pay:button", &burst));
        assert_eq!((findings[0].count, findings[0].event_ids.len()), (300, 50));
    }

    #[test]
    fn another_element_is_the_same_thing_only_if_it_is_near() {
        let beside = |x: i32, y: i32| {
            seen(&format!(
                "0 click a:button @0,0\n10 click b:button @{x},{y}\n20 click a:button @0,0"
            ))
            .len()
        };
        assert_eq!((beside(30, 0), beside(31, 0), beside(18, 24), beside(18, 25)), (1, 0, 1, 0));
        assert_eq!(seen("0 click a:x\n10 click b:x\n20 click a:x").len(), 0, "without places");
        assert_eq!(seen("0 click a:x @0,0\n10 click a:x @900,0\n20 click a:x @0,900").len(), 1);
    }

    #[test]
    fn how_near_is_near_can_be_said() {
        let near = |metric: &str, bound: &str, x: i32, y: i32| {
            let set = RuleSet::default()
                .with(Rule::RageClick, &format!("metric={metric}"))
                .and_then(|set| set.with(Rule::RageClick, &format!("distanceBound={bound}")));
            let rules = set.unwrap().for_product(&"app".parse().unwrap());
            let text = format!(
                "0 click a:button @0,0\n10 click a:button @{x},{y}\n20 click a:button @0,0"
            );
            detect(&trace(&text), &rules, Ending::Closed).len() == 1
        };
        assert!(near("manhattan", "atMost", 15, -15) && !near("manhattan", "below", 15, -15));
        assert!(near("manhattan", "below", 15, -14) && !near("manhattan", "atMost", 15, 16));
        assert!(near("euclidean", "atMost", -18, 24) && !near("euclidean", "below", -18, 24));
        assert!(near("euclidean", "below", 18, 23) && !near("euclidean", "atMost", 18, 25));
        assert!(near("element", "atMost", 900, 900));
    }

    #[test]
    fn another_screen_ends_a_burst() {
        let text = "0 nav /a\n1 click x:button\n2 click x:button\n3 nav /b\n4 click x:button";
        assert!(seen(text).is_empty());
    }

    #[test]
    fn what_is_clicked_many_times_on_purpose_is_left_out() {
        for what in [
            "amount:stepper",
            "day:date_picker",
            "7:calendar",
            "list:pager",
            "song:player",
            "volume:slider",
            "name:text_input",
            "name:TextInput",
            "gallery-next:button",
            "next:link",
            "prev_page:button",
            "Previous:button",
            "cart.plus:button",
            "map.zoom-in:button",
        ] {
            assert!(seen(&clicks(what, &[0, 100, 200, 300])).is_empty(), "{what}");
        }
        assert_eq!(seen(&clicks("next_best_offer:button", &[0, 100, 200])).len(), 1);
    }

    #[test]
    fn a_click_on_something_left_out_ends_a_burst() {
        let text = "0 click a:b @5,5\n10 click a:b @5,5\n20 click p:pager @5,5\n30 click a:b @5,5";
        assert!(seen(text).is_empty());
    }

    #[test]
    fn text_is_selected_with_three_clicks_and_not_with_four() {
        assert!(seen(&clicks("terms:paragraph", &[0, 150, 300])).is_empty());
        assert_eq!(seen(&clicks("terms:paragraph", &[0, 150, 300, 450])).len(), 1);
    }

    #[test]
    fn three_quick_clicks_on_who_knows_what_may_be_a_selection() {
        let confidence = |text: String| found(&text)[0].confidence;
        assert_eq!(confidence(clicks("x", &[0, 500, 1_000])), Confidence::Low);
        assert_eq!(confidence(clicks("x", &[0, 500, 1_001])), Confidence::Medium);
        assert_eq!(confidence(clicks("x", &[0, 150, 300, 450])), Confidence::Medium);
        assert_eq!(confidence(clicks("x:button", &[0, 150, 300])), Confidence::Medium);
    }

    #[test]
    fn a_dead_or_an_error_click_makes_it_certain() {
        let rage = |text: &str| -> Finding {
            found(text).into_iter().find(|f| f.rule.as_str() == "rage_click").unwrap()
        };
        let burst = format!("0 nav /a\n{}", clicks("x", &[10, 150, 300]));
        let dead = rage(&format!("{burst}2500 dead x"));
        assert_eq!((dead.confidence, dead.count), (Confidence::High, 3));
        assert_eq!(dead.tags, ["element", "deadClick"]);
        let error = rage(&format!("{burst}900 error E1"));
        assert_eq!(
            (error.confidence, error.tags),
            (Confidence::High, vec!["element".to_owned(), "errorClick".to_owned()])
        );
        let other = rage(&format!("{burst}2500 dead y"));
        assert_eq!(other.confidence, Confidence::Low);
    }

    #[test]
    fn reports_beside_their_clicks_are_not_counted_twice_and_reports_instead_of_them_are() {
        let rage = |text: &str| {
            let findings = found(text);
            findings.iter().find(|f| f.rule.as_str() == "rage_click").map(|f| f.count)
        };
        assert_eq!(rage("0 click x:b\n0 dead x:b\n100 click x:b\n100 dead x:b"), None);
        assert_eq!(rage("0 dead x:b\n100 dead x:b\n200 dead x:b"), Some(3));
    }
}
