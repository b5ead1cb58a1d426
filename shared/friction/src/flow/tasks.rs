//! Runs of tasks: from a beginning to the end of the same name and id within a limit of event time.

use contract::{
    Event, EventType,
    session::{FlowOutcome, TaskRun},
};

use super::timeline::{Stretch, Timeline};
use crate::detect::{Ending, tasks};

/// The runs of tasks in the events of a session (in order), in the order of their beginnings.
///
/// A run goes from `task.started` to the first `task.completed` or `task.cancelled` of the same name and id; when there is
/// none within `open_ms` it was abandoned, and what comes later ends nothing. Exactly that late is still in time.
/// Beginning a run again that has an id and is open says nothing new; without ids each beginning is a run of its own, and an
/// end is that of the last one begun.
#[must_use]
pub fn task_runs(events: &[Event], ending: Ending, open_ms: i64) -> Vec<TaskRun> {
    let timeline = Timeline::of(events);
    let measured = |run: Run<'_>| TaskRun {
        name: run.name.to_owned(),
        outcome: run.outcome,
        started_at: timeline.at(run.stretch.from),
        active_ms: timeline.active_ms(run.stretch),
        clicks: timeline.clicks(run.stretch),
    };
    runs(&timeline, ending, open_ms).map(measured).collect()
}

/// A run of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) name: &'a str,
    pub(super) outcome: FlowOutcome,
    /// To its end; without one, to the last event within the limit.
    pub(super) stretch: Stretch,
}

pub(super) fn runs<'a>(
    timeline: &Timeline<'a>,
    ending: Ending,
    open_ms: i64,
) -> impl Iterator<Item = Run<'a>> {
    tasks::runs(timeline.events(), open_ms).into_iter().map(move |run| {
        let until = timeline.at(run.from).plus_ms(open_ms);
        let end = run.end.and_then(|end| timeline.events().get(end).map(|event| (end, event)));
        let (outcome, stretch) = match end {
            // An end of the same millisecond may lie before its beginning: ids order what time does not.
            Some((end, event)) => {
                (outcome(event.event_type), Stretch { from: run.from, to: end.max(run.from) })
            }
            None if ending.is_past(until) => {
                (FlowOutcome::Abandoned, timeline.until(run.from, until))
            }
            None => (FlowOutcome::Open, timeline.until(run.from, until)),
        };
        Run { name: run.name, outcome, stretch }
    })
}

fn outcome(end: EventType) -> FlowOutcome {
    if end == EventType::TaskCompleted { FlowOutcome::Completed } else { FlowOutcome::Cancelled }
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, limits::MINUTE_MS};
    use proptest::prelude::*;

    use super::*;
    use crate::{policy::TASK_OPEN_MAX_MS, sample::of_type, trace::trace};

    /// Name, outcome, active time and clicks of each run.
    fn said(text: &str, ending: Ending) -> Vec<String> {
        let runs = task_runs(&trace(text), ending, TASK_OPEN_MAX_MS);
        let short = |run: &TaskRun| {
            let outcome = serde_json::to_value(run.outcome).unwrap();
            format!("{} {} {} {}", run.name, outcome.as_str().unwrap(), run.active_ms, run.clicks)
        };
        runs.iter().map(short).collect()
    }

    fn closed(text: &str) -> Vec<String> {
        said(text, Ending::Closed)
    }

    #[test]
    fn a_run_ends_at_the_first_end_of_the_same_name_and_id() {
        let text = "0 start pay#a
            100 click ok
            200 done pay#b
            300 done read#a
            400 done pay
            500 click ok
            600 cancel pay#a
            700 click ok
            800 done pay#a";
        assert_eq!(closed(text), ["pay cancelled 600 2"]);
    }

    #[test]
    fn exactly_fifteen_minutes_is_in_time_and_a_millisecond_more_is_not() {
        assert_eq!(closed("0 start pay\n900000 done pay"), ["pay completed 0 0"]);
        assert_eq!(closed("0 start pay\n900001 done pay"), ["pay abandoned 0 0"]);
    }

    #[test]
    fn a_pause_of_more_than_a_minute_is_no_active_time() {
        let text = "0 start pay\n60000 click a\n120001 click b\n120500 done pay";
        assert_eq!(closed(text), ["pay completed 60499 2"]);
    }

    #[test]
    fn clicks_before_and_after_a_run_are_not_its() {
        let text = "0 click a\n5 start pay\n10 click b\n20 done pay\n30 click c";
        assert_eq!(closed(text), ["pay completed 15 1"]);
    }

    #[test]
    fn an_abandoned_run_lasts_to_its_last_event_in_time() {
        let text = "0 start pay\n1000 click a\n900000 click b\n900001 click c";
        assert_eq!(closed(text), ["pay abandoned 1000 2"]);
    }

    #[test]
    fn without_ids_the_last_beginning_ends_first_and_with_one_it_is_the_same_run() {
        let text = "0 start pay\n10 start pay\n20 done pay";
        assert_eq!(closed(text), ["pay abandoned 20 0", "pay completed 10 0"]);
        let text = "0 start pay#a\n10 start pay#a\n20 done pay#a";
        assert_eq!(closed(text), ["pay completed 20 0"]);
        let text = "0 start pay#a\n900001 start pay#a\n900002 done pay#a";
        assert_eq!(closed(text), ["pay abandoned 0 0", "pay completed 1 0"]);
    }

    #[test]
    fn an_end_of_the_same_millisecond_counts_whatever_its_id() {
        assert_eq!(closed("5 done pay#a\n5 start pay#a\n9 click a"), ["pay completed 0 0"]);
        assert_eq!(closed("4 done pay#a\n5 start pay#a"), ["pay abandoned 0 0"]);
    }

    #[test]
    fn in_a_session_that_goes_on_a_task_is_open_until_its_time_is_over() {
        let now = |ms| Ending::Open { now: Timestamp::from_ms(ms) };
        assert_eq!(said("0 start pay", now(15 * MINUTE_MS)), ["pay open 0 0"]);
        assert_eq!(said("0 start pay", now(15 * MINUTE_MS + 1)), ["pay abandoned 0 0"]);
        assert_eq!(said("0 start pay\n9 done pay", now(10)), ["pay completed 9 0"]);
    }

    #[test]
    fn how_long_a_task_may_be_open_is_up_to_the_rules() {
        let events = trace("0 start pay\n1800000 done pay");
        let outcome = |open_ms| task_runs(&events, Ending::Closed, open_ms)[0].outcome;
        assert_eq!(outcome(1_800_000), FlowOutcome::Completed);
        assert_eq!(outcome(1_799_999), FlowOutcome::Abandoned);
    }

    proptest! {
        #[test]
        fn every_beginning_without_an_id_is_one_run_and_no_end_ends_two(
            happenings in prop::collection::vec((0..4_usize, 0..3_u8, 0..20 * MINUTE_MS), 0..40),
        ) {
            let mut at = 0;
            let events: Vec<_> = happenings.iter().enumerate().map(|(n, (what, name, gap))| {
                at += gap;
                let kind = ["task.started", "task.completed", "task.cancelled", "ui.click"][*what];
                let mut event = of_type(kind, &format!("e{n:03}"), at);
                event.task = Some(contract::event::Task { name: name.to_string(), id: None });
                event
            }).collect();
            let runs = task_runs(&events, Ending::Closed, TASK_OPEN_MAX_MS);
            let of = |kind| events.iter().filter(|event| event.event_type == kind).count();
            let with = |outcome| runs.iter().filter(|run| run.outcome == outcome).count();
            prop_assert_eq!(runs.len(), of(EventType::TaskStarted));
            prop_assert!(with(FlowOutcome::Completed) <= of(EventType::TaskCompleted));
            prop_assert!(with(FlowOutcome::Cancelled) <= of(EventType::TaskCancelled));
            prop_assert_eq!(with(FlowOutcome::Open), 0);
            prop_assert!(runs.is_sorted_by_key(|run| run.started_at));
            for run in &runs {
                prop_assert!((0..=TASK_OPEN_MAX_MS).contains(&run.active_ms));
            }
        }
    }
}
