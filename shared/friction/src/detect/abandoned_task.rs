//! A task left open.

use contract::{
    Event, EventType,
    incident::{Confidence, Rule},
};

use super::{Ending, finding::Finding, scene::Scene, tasks::Run};
use crate::rules::{Rules, Settings as _};

/// Abandoned tasks: `task.started` without `task.completed` or `task.cancelled` of the same name and id within `openMs` of
/// event time; at exactly that time an end still counts. Found when that time is past, by a timer while the session is open
/// (see [`super::next_timer`]), and in any case when it is closed. What ends a task later does not undo it.
///
/// The incident begins with the task and ends with its time, on the screen where that time ran out. High confidence: a
/// `friction.abandon` meanwhile says so too.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules, ending: Ending) -> Vec<Finding> {
    let own = &rules.thresholds.abandoned_task;
    let abandons = scene.places(|event| event.event_type == EventType::Abandon);
    let is_over = |run: &&Run<'_>| run.end.is_none() && ending.is_past(run.at.plus_ms(own.open_ms));
    let open = scene.runs.iter().filter(is_over);
    let found = open.filter(|run| is_watched(run, scene.events(), rules)).map(|run| {
        let until = run.at.plus_ms(own.open_ms);
        let last = scene.events().partition_point(|event| event.occurred_at <= until);
        let said = abandons.partition_point(|(_, at)| *at < run.at);
        let said = abandons.get(said).filter(|(_, at)| *at <= until);
        // The beginning first, so that it names the incident whatever else happened in its millisecond.
        let mut places = vec![run.from];
        places.extend(said.map(|(place, _)| *place));
        let finding = Finding::in_events(Rule::AbandonedTask, own.thresholds(), scene, &places);
        Finding {
            started_at: run.at,
            ended_at: until,
            screen: scene.screen(last.saturating_sub(1)).map(str::to_owned),
            element: None,
            task: Some(run.name.to_owned()),
            confidence: if said.is_some() { Confidence::High } else { Confidence::Medium },
            ..finding
        }
    });
    found.collect()
}

/// True for a run that must end.
pub(super) fn is_watched(run: &Run<'_>, events: &[Event], rules: &Rules) -> bool {
    let own = &rules.thresholds.abandoned_task;
    own.enabled && events.get(run.from).is_none_or(|begun| !Rules::mean(&own.ignore, begun))
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, incident::Confidence};

    use crate::{
        detect::{Ending, detect, next_timer},
        policy::TASK_OPEN_MAX_MS,
        rules::{RuleSet, Rules},
        trace::{found, seen, short, trace},
    };

    const DUE: i64 = 1_000 + TASK_OPEN_MAX_MS;

    fn until(now: i64, text: &str) -> Vec<String> {
        let ending = Ending::Open { now: Timestamp::from_ms(now) };
        detect(&trace(text), &Rules::default(), ending).iter().map(short).collect()
    }

    #[test]
    fn exactly_fifteen_minutes_is_still_in_time() {
        let ended = |what: &str, at: i64| seen(&format!("1000 start export\n{at} {what} export"));
        for what in ["done", "cancel"] {
            assert!(ended(what, DUE - 1).is_empty());
            assert!(ended(what, DUE).is_empty());
            assert_eq!(ended(what, DUE + 1), [format!("abandoned_task 1000-{DUE} x1")]);
        }
    }

    #[test]
    fn a_timer_finds_it_and_no_other_event_is_needed() {
        let open = "1000 start export";
        assert!(until(DUE - 1, open).is_empty());
        assert!(until(DUE, open).is_empty());
        assert_eq!(until(DUE + 1, open), [format!("abandoned_task 1000-{DUE} x1")]);
        assert_eq!(seen(open), until(DUE + 1, open), "and closing says the same");
    }

    #[test]
    fn the_timer_is_set_for_the_first_open_task_and_not_for_one_it_found() {
        let timer = |now: i64, text: &str| {
            next_timer(&trace(text), &Rules::default(), Timestamp::from_ms(now)).map(Timestamp::ms)
        };
        let two = "1000 start export\n2000 start invite";
        assert_eq!(timer(3_000, two), Some(DUE + 1));
        assert_eq!(timer(DUE, two), Some(DUE + 1));
        assert_eq!(timer(DUE + 1, two), Some(DUE + 1_001));
        assert_eq!(timer(DUE + 1_001, two), None);
        assert_eq!(timer(3_000, "1000 start export\n2000 done export"), None);
    }

    #[test]
    fn a_timer_finds_what_it_was_set_for() {
        let open = trace("1000 start export\n5000 start invite\n9000 done export");
        let rules = Rules::default();
        let now = next_timer(&open, &rules, Timestamp::from_ms(9_000)).unwrap();
        assert_eq!(detect(&open, &rules, Ending::Open { now }).len(), 1);
    }

    #[test]
    fn a_task_of_the_same_name_is_another_run_and_an_id_tells_runs_apart() {
        assert_eq!(seen("0 start a\n1000 start a\n2000 done a").len(), 1);
        assert_eq!(
            seen("0 start a#1\n1000 start a#2\n2000 done a#1"),
            ["abandoned_task 1000-901000 x1"]
        );
        assert_eq!(seen("0 start a\n1000 done b").len(), 1);
        assert!(seen("0 done a").is_empty());
    }

    #[test]
    fn it_says_which_task_and_where_its_time_ran_out() {
        let text = "0 nav /a\n1000 start export\n2000 nav /b\n3000 nav /c\n2000000 nav /d";
        let finding = found(text).into_iter().next().unwrap();
        assert_eq!(
            (finding.task.as_deref(), finding.screen.as_deref()),
            (Some("export"), Some("/c"))
        );
        assert_eq!(finding.confidence, Confidence::Medium);
        let said = found("1000 start export\n2000 friction abandon");
        assert_eq!((said[0].confidence, said[0].count), (Confidence::High, 2));
        assert_eq!(said[0].event_ids[0].as_str(), "e000");
        for (at, is_meanwhile) in [(999, false), (1_000, true), (DUE, true), (DUE + 1, false)] {
            let said = found(&format!("1000 start export\n{at} friction abandon"));
            assert_eq!(said[0].confidence == Confidence::High, is_meanwhile, "{at}");
        }
        let last =
            |at: i64| found(&format!("0 nav /a\n1000 start export\n{at} nav /b"))[0].screen.clone();
        assert_eq!([last(DUE), last(DUE + 1)].map(Option::unwrap), ["/b", "/a"]);
    }

    #[test]
    fn a_task_that_needs_no_end_is_neither_found_nor_waited_for() {
        let set = r#"{"version": 2, "rules": {"abandoned_task": {"ignore": [{"task": "read*"}]}}}"#;
        let rules = RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap());
        let open = trace("0 start read-news");
        assert!(detect(&open, &rules, Ending::Closed).is_empty());
        assert_eq!(next_timer(&open, &rules, Timestamp::from_ms(0)), None);
    }
}
