//! The same screens again and again.

use std::collections::{BTreeMap, BTreeSet};

use contract::incident::{Confidence, Rule};

use super::{Ending, finding::Finding, scene::Scene};
use crate::rules::{Loop, Names, Rules, Settings as _};

/// Loops: one screen visited `minVisits` times among `windowScreens` visits. One incident for as long as that goes on, made
/// of the events that opened its visits, on the screen that was visited so often first.
///
/// Where there is none, a whole session can be lost: with N different of at least `minScreens` visited screens S, Smith's
/// lostness, √((N/S − 1)² + (R/N − 1)²) with R unknown and so its term 0, is above `lostness`. That is said when the session
/// is closed (tag `lostness`, low confidence), on no screen, since it is about all of them.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules, ending: Ending) -> Vec<Finding> {
    let own = &rules.thresholds.navigation_loop;
    let loops = stretches(scene, own);
    if loops.is_empty() {
        return lost(scene, own, ending).into_iter().collect();
    }
    let finding = |(from, until, screen): (usize, usize, &str)| {
        let visits = scene.visits.get(from..=until).unwrap_or_default();
        let places: Vec<usize> = visits.iter().map(|visit| visit.from).collect();
        let finding = Finding::in_events(Rule::Loop, own.thresholds(), scene, &places);
        Finding { screen: Some(screen.to_owned()), ..finding }
    };
    loops.into_iter().map(finding).collect()
}

/// The first and the last visit of each loop, and its screen.
fn stretches<'a>(scene: &Scene<'a>, own: &Loop) -> Vec<(usize, usize, &'a str)> {
    let mut of_screen: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for (last, visit) in scene.visits.iter().enumerate() {
        let seen = of_screen.entry(visit.screen).or_default();
        seen.push(last);
        let Some(first) = seen.len().checked_sub(own.min_visits).and_then(|at| seen.get(at)) else {
            continue;
        };
        if last - first >= own.window_screens || is_ignored(visit.screen, own) {
            continue;
        }
        match found.last_mut() {
            Some((_, until, _)) if *until >= *first => *until = last,
            Some(_) | None => found.push((*first, last, visit.screen)),
        }
    }
    found
}

fn is_ignored(screen: &str, own: &Loop) -> bool {
    !own.ignore.is_empty() && Names::default().on_screen(Some(screen)).are_in(&own.ignore)
}

fn lost(scene: &Scene<'_>, own: &Loop, ending: Ending) -> Option<Finding> {
    let visited = scene.visits.len();
    if ending != Ending::Closed || visited < own.min_screens {
        return None;
    }
    let different: BTreeSet<&str> = scene.visits.iter().map(|visit| visit.screen).collect();
    let [n, s] =
        [different.len(), visited].map(|count| u32::try_from(count).map_or(0.0, f64::from));
    let lostness = (n / s - 1.0).abs();
    if lostness <= own.lostness {
        return None;
    }
    let places: Vec<usize> = scene.visits.iter().map(|visit| visit.from).collect();
    let finding = Finding::in_events(Rule::Loop, own.thresholds(), scene, &places);
    let finding = Finding { screen: None, element: None, confidence: Confidence::Low, ..finding };
    Some(finding.tagged("lostness"))
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, incident::Confidence};

    use crate::{
        detect::{Ending, Finding, detect},
        rules::{RuleSet, Rules},
        trace::trace,
    };

    /// A minute on each screen, so that nothing is a backtrack.
    fn walk(screens: &str, rules: &Rules, ending: Ending) -> Vec<Finding> {
        let lines =
            screens.chars().enumerate().map(|(at, c)| format!("{} nav /{c}\n", at * 60_000));
        detect(&trace(&lines.collect::<String>()), rules, ending)
    }

    fn loops(screens: &str) -> Vec<(Option<String>, i64, i64, u32)> {
        let findings = walk(screens, &Rules::default(), Ending::Closed);
        let minute = |at: Timestamp| at.ms() / 60_000;
        findings
            .into_iter()
            .map(|f| (f.screen, minute(f.started_at), minute(f.ended_at), f.count))
            .collect()
    }

    #[test]
    fn four_visits_among_ten_screens_are_a_loop() {
        assert_eq!(loops("abacada"), [(Some("/a".to_owned()), 0, 6, 7)]);
        assert_eq!(loops("abacadefga").len(), 1, "the tenth");
        assert_eq!(loops("abacadefgha").len(), 0, "the eleventh");
        assert_eq!(loops("abacad").len(), 0);
        assert_eq!(loops("aaaaaa").len(), 0, "staying is no visit");
    }

    #[test]
    fn a_loop_lasts_for_as_long_as_it_goes_on() {
        assert_eq!(loops("ababababab"), [(Some("/a".to_owned()), 0, 9, 10)]);
        let two = loops("abababacdefghijklmnxyxyxyx");
        assert_eq!(two.len(), 2);
        assert_eq!(two[1], (Some("/x".to_owned()), 19, 25, 7));
    }

    #[test]
    fn a_screen_to_come_back_to_makes_no_loop() {
        let set = r#"{"version": 2, "rules": {"loop": {"ignore": [{"screen": "/a"}]}}}"#;
        let rules = RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap());
        assert_eq!(walk("abacada", &rules, Ending::Closed).len(), 0);
        assert_eq!(walk("babcbdb", &rules, Ending::Closed).len(), 1);
    }

    #[test]
    fn a_session_that_sees_the_same_screens_too_often_is_lost() {
        let rules = Rules::default();
        let lost = walk("abcdefghabcdabcdef", &rules, Ending::Closed);
        assert_eq!(lost.len(), 1, "8 of 18 are different");
        assert_eq!(lost[0].tags, ["lostness"]);
        assert_eq!(
            (lost[0].confidence, &lost[0].screen, lost[0].count),
            (Confidence::Low, &None, 18)
        );
        assert_eq!(walk("abcdabcdab", &rules, Ending::Closed).len(), 1, "ten screens can be said");
        assert_eq!(walk("abcdabcda", &rules, Ending::Closed).len(), 0, "nine cannot");
        assert_eq!(walk("abcdefghabcdabcd", &rules, Ending::Closed).len(), 0, "exactly half");
        let now = Timestamp::from_ms(10_000_000);
        assert_eq!(walk("abcdefghabcdabcdef", &rules, Ending::Open { now }).len(), 0, "not yet");
        let off = r#"{"version": 2, "rules": {"loop": {"lostness": 1}}}"#;
        let off = RuleSet::parse(off).unwrap().for_product(&"app".parse().unwrap());
        assert_eq!(walk("abcdefghabcdabcdef", &off, Ending::Closed).len(), 0);
    }
}
