//! To and fro on one screen.

use contract::{Event, EventType, Timestamp, incident::Rule};

use super::{
    bursts::bursts,
    finding::Finding,
    scene::{Scene, Visit},
};
use crate::rules::{ExcessiveScroll, Names, Rules, Settings as _};

/// Excessive scrolling: `minReversals` changes of direction within `withinMs` in one stay on a screen, by the `depthPercent`
/// of `ui.scroll`. A change of direction is a way of at least `minTurnPercent` back from where the scrolling was farthest.
/// That a screen's visitors usually scroll less is no part of the rule: it would need what they do, and be another answer
/// every day. The incident is made of the scrolls by which each turn became one.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.excessive_scroll;
    let watched = scene.visits.iter().filter(|visit| {
        own.ignore.is_empty() || !Names::default().on_screen(Some(visit.screen)).are_in(&own.ignore)
    });
    let found = watched
        .flat_map(|visit| bursts(&turns(scene, visit, own), own.min_reversals, own.within_ms));
    found
        .map(|places| Finding::in_events(Rule::ExcessiveScroll, own.thresholds(), scene, &places))
        .collect()
}

fn turns(scene: &Scene<'_>, visit: &Visit<'_>, own: &ExcessiveScroll) -> Vec<(usize, Timestamp)> {
    let mut turns = Vec::new();
    let mut way: Option<Way> = None;
    for (place, event) in scene.between(visit.from, visit.until) {
        let Some(depth) = depth_percent(event) else { continue };
        let Some(way) = &mut way else {
            way = Some(Way { farthest: depth, is_down: None });
            continue;
        };
        if way.turns(depth, own.min_turn_percent) {
            turns.push((place, event.occurred_at));
        }
    }
    turns
}

fn depth_percent(event: &Event) -> Option<f64> {
    if event.event_type != EventType::UiScroll {
        return None;
    }
    event.context.get("depthPercent")?.as_f64()
}

struct Way {
    /// Where it was farthest in its direction; before there is one, where it began.
    farthest: f64,
    is_down: Option<bool>,
}

impl Way {
    /// True when going on to `depth` changes the direction.
    fn turns(&mut self, depth: f64, min_turn: f64) -> bool {
        let moved = depth - self.farthest;
        let is_on = match self.is_down {
            Some(true) => moved >= 0.0,
            Some(false) => moved <= 0.0,
            None => false,
        };
        if is_on {
            self.farthest = depth;
            return false;
        }
        if moved == 0.0 || moved.abs() < min_turn {
            return false;
        }
        let turns = self.is_down.is_some();
        *self = Self { farthest: depth, is_down: Some(moved > 0.0) };
        turns
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        detect::{Ending, detect},
        rules::RuleSet,
        trace::{seen, trace},
    };

    fn scrolls(depths: &[(i64, f64)]) -> String {
        let lines = depths.iter().map(|(ms, depth)| format!("{ms} scroll {depth}\n"));
        format!("0 nav /a\n{}", lines.collect::<String>())
    }

    #[test]
    fn three_changes_of_direction_within_a_minute_are_too_many() {
        let last =
            |ms: i64| seen(&scrolls(&[(10, 0.0), (20, 50.0), (30, 0.0), (40, 50.0), (ms, 0.0)]));
        assert_eq!(last(60_029), ["excessive_scroll 30-60029 x3"]);
        assert_eq!(last(60_030), ["excessive_scroll 30-60030 x3"]);
        assert!(last(60_031).is_empty());
        assert!(seen(&scrolls(&[(10, 0.0), (20, 50.0), (30, 0.0), (40, 50.0)])).is_empty());
    }

    #[test]
    fn trembling_is_no_change_of_direction() {
        let swing = |by: f64| {
            seen(&scrolls(&[(1, 40.0), (2, 50.0), (3, 50.0 - by), (4, 50.0), (5, 50.0 - by)])).len()
        };
        assert_eq!((swing(4.9), swing(5.0)), (0, 1));
    }

    #[test]
    fn reading_down_and_up_once_and_slow_steps_back_are_not_excessive() {
        assert!(seen(&scrolls(&[(1, 0.0), (2, 60.0), (3, 20.0), (4, 100.0)])).is_empty());
        let steps: Vec<(i64, f64)> = (0..20).map(|n| (i64::from(n), f64::from(100 - n))).collect();
        assert!(seen(&scrolls(&steps)).is_empty());
    }

    #[test]
    fn a_screen_to_scroll_on_is_left_out() {
        let ignore =
            r#"{"version": 2, "rules": {"excessive_scroll": {"ignore": [{"screen": "/map*"}]}}}"#;
        let rules = RuleSet::parse(ignore).unwrap().for_product(&"app".parse().unwrap());
        let on = |screen: &str| {
            let text = format!(
                "0 nav {screen}\n1 scroll 0\n2 scroll 50\n3 scroll 0\n4 scroll 50\n5 scroll 0"
            );
            detect(&trace(&text), &rules, Ending::Closed).len()
        };
        assert_eq!((on("/map/{id}"), on("/list")), (0, 1));
    }

    #[test]
    fn another_screen_begins_anew() {
        let text = "0 nav /a\n1 scroll 0\n2 scroll 50\n3 scroll 0\n4 nav /b\n5 scroll 50\n6 scroll 0\n7 scroll 50";
        assert!(seen(text).is_empty());
    }
}
