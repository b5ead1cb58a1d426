//! The end of a session right after it hurt.

use std::collections::BTreeSet;

use contract::{
    EventId, EventType,
    incident::{Confidence, Rule},
};

use super::{Ending, finding::Finding, scene::Scene};
use crate::rules::{Rules, Settings as _};

/// A rage quit: of the incidents that hurt at once, `minIncidents` ended within `withinMs` before the session's last event and
/// the last of them within `quietMs`, and no task was completed since. A dead click, an error click or a mouse moved to and
/// fro is one; rage, a retry storm or a burst of signals counts twice. Only a closed session has ended. A session that says
/// `friction.rage_quit` itself has said it, and gets no incident beside that signal.
///
/// The incident is made of the first event of each of those incidents and the session's last event. High confidence: one of
/// them was certain.
pub(super) fn find(
    scene: &Scene<'_>,
    rules: &Rules,
    ending: Ending,
    found: &[Finding],
) -> Option<Finding> {
    let own = &rules.thresholds.rage_quit;
    let end = scene.events().last()?.occurred_at;
    let is_said = || scene.events().iter().any(|event| event.event_type == EventType::RageQuit);
    let hurt: Vec<&Finding> = found
        .iter()
        .filter(|finding| hurts(finding.rule) > 0)
        .filter(|finding| end.since_ms(finding.ended_at) <= own.within_ms)
        .collect();
    let last = hurt.iter().map(|finding| finding.ended_at).max()?;
    let is_soon = end.since_ms(last) <= own.quiet_ms;
    let count: usize = hurt.iter().map(|finding| hurts(finding.rule)).sum();
    if ending != Ending::Closed || count < own.min_incidents || !is_soon || is_said() {
        return None;
    }
    let mut since = scene.events().iter().rev().take_while(|event| event.occurred_at >= last);
    let is_completed = since.any(|event| event.event_type == EventType::TaskCompleted);
    (!is_completed).then(|| quit(scene, rules, &hurt))
}

fn quit(scene: &Scene<'_>, rules: &Rules, hurt: &[&Finding]) -> Finding {
    let firsts: BTreeSet<&EventId> =
        hurt.iter().filter_map(|finding| finding.event_ids.first()).collect();
    let last = scene.events().len().saturating_sub(1);
    let firsts =
        scene.events().iter().enumerate().filter(|(_, event)| firsts.contains(&event.event_id));
    let mut places: Vec<usize> = firsts.map(|(place, _)| place).collect();
    if places.last() != Some(&last) {
        places.push(last);
    }
    let is_certain = hurt.iter().any(|finding| finding.confidence == Confidence::High);
    let finding =
        Finding::in_events(Rule::RageQuit, rules.thresholds.rage_quit.thresholds(), scene, &places);
    Finding {
        screen: scene.screen(last).map(str::to_owned),
        element: None,
        confidence: if is_certain { Confidence::High } else { Confidence::Medium },
        ..finding
    }
}

/// How much an incident counts, of those after which people leave.
fn hurts(rule: Rule) -> usize {
    match rule {
        Rule::DeadClick | Rule::ErrorClick | Rule::MouseThrash => 1,
        Rule::RageClick
        | Rule::RetryStorm
        | Rule::Reformulation
        | Rule::OverrideBurst
        | Rule::ChallengeBurst
        | Rule::LowConfidenceBurst => 2,
        Rule::Backtrack
        | Rule::AbandonedTask
        | Rule::FormAbandonment
        | Rule::ContextSwitch
        | Rule::Loop
        | Rule::RageQuit
        | Rule::ExcessiveScroll => 0,
    }
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, incident::Confidence};

    use crate::{
        detect::{Ending, Finding, detect},
        rules::Rules,
        trace::{found, trace},
    };

    /// Rage with an error among it, which ends at 1,000 ms, and then something.
    const RAGE: &str =
        "0 nav /pay\n100 click pay:b\n500 click pay:b\n900 click pay:b\n1000 error E1\n";

    fn quit(text: &str) -> Option<Finding> {
        found(text).into_iter().find(|finding| finding.rule.as_str() == "rage_quit")
    }

    #[test]
    fn leaving_within_ten_seconds_of_rage_and_an_error_is_a_rage_quit() {
        let left = |ms: i64| quit(&format!("{RAGE}{} lost", 1_000 + ms)).is_some();
        assert_eq!((left(9_999), left(10_000), left(10_001)), (true, true, false));
        let finding = quit(RAGE).unwrap();
        assert_eq!((finding.started_at.ms(), finding.ended_at.ms()), (100, 1_000));
        let ids: Vec<&str> = finding.event_ids.iter().map(|id| id.as_str()).collect();
        assert_eq!(ids, ["e001", "e003", "e004"], "the rage, the click that failed, the end");
        assert_eq!(finding.screen.as_deref(), Some("/pay"));
        assert_eq!(finding.confidence, Confidence::High);
    }

    #[test]
    fn what_was_longer_ago_than_thirty_seconds_does_not_count() {
        let dead = |ms: i64| {
            let text = format!("0 nav /a\n1000 dead x\n20000 dead y\n{} dead z", 1_000 + ms);
            quit(&text).is_some()
        };
        assert_eq!((dead(29_999), dead(30_000), dead(30_001)), (true, true, false));
        assert!(quit("0 nav /a\n1000 dead x\n20000 dead y").is_none(), "two are no burst");
        let three = quit("0 nav /a\n1000 dead x\n20000 dead y\n21000 dead z").unwrap();
        assert_eq!(three.confidence, Confidence::Medium, "none of them is certain");
    }

    #[test]
    fn a_session_that_goes_on_or_got_what_it_wanted_was_not_quit() {
        assert!(quit(&format!("50 start buy\n{RAGE}3000 done buy")).is_none());
        assert!(quit(&format!("50 start buy\n{RAGE}1000 done buy")).is_none());
        assert!(quit(&format!("50 start buy\n{RAGE}3000 lost")).is_some());
        let open = Ending::Open { now: Timestamp::from_ms(5_000) };
        let findings = detect(&trace(RAGE), &Rules::default(), open);
        assert!(findings.iter().all(|finding| finding.rule.as_str() != "rage_quit"));
    }

    #[test]
    fn what_was_said_is_not_inferred() {
        assert!(quit(&format!("{RAGE}2000 friction rage_quit")).is_none());
    }
}
