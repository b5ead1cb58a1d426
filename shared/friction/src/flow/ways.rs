//! The ways through a session: all of it, and that of each task.

use contract::{
    Event,
    limits::{FLOW_SCREENS_MAX, PATH_SCREENS_MAX},
    session::{Flow, FlowOutcome},
};

use super::{
    tasks,
    timeline::{Step, Stretch, Timeline},
};
use crate::detect::Ending;

/// The screens of a session in order, repeats collapsed, the first 20.
#[must_use]
pub fn path(events: &[Event]) -> Vec<String> {
    let timeline = Timeline::of(events);
    let whole = timeline.whole();
    let steps = whole.into_iter().flat_map(|whole| timeline.steps(whole));
    steps.take(PATH_SCREENS_MAX).map(|step| step.screen.to_owned()).collect()
}

/// The flows of a session: one for each run of a task that is over, or the way through it when it had no tasks. Ways of one
/// screen are none. Tasks are those of [`super::task_runs`].
#[must_use]
pub fn flows(events: &[Event], ending: Ending, open_ms: i64) -> Vec<Flow> {
    let timeline = Timeline::of(events);
    let runs: Vec<_> = tasks::runs(&timeline, ending, open_ms).collect();
    if runs.is_empty() {
        let whole = timeline.whole();
        return whole
            .and_then(|whole| flow(&timeline, whole, None, FlowOutcome::Ended))
            .into_iter()
            .collect();
    }
    runs.into_iter()
        .filter(|run| run.outcome != FlowOutcome::Open)
        .filter_map(|run| flow(&timeline, run.stretch, Some(run.name), run.outcome))
        .collect()
}

fn flow(
    timeline: &Timeline<'_>,
    stretch: Stretch,
    task: Option<&str>,
    outcome: FlowOutcome,
) -> Option<Flow> {
    let steps: Vec<Step<'_>> = timeline.steps(stretch).take(FLOW_SCREENS_MAX).collect();
    (steps.len() > 1).then(|| Flow {
        task: task.map(str::to_owned),
        outcome,
        path: steps.iter().map(|step| step.screen.to_owned()).collect(),
        gaps_ms: steps.iter().zip(steps.iter().skip(1)).map(|(a, b)| b.at.since_ms(a.at)).collect(),
        duration_ms: timeline.duration_ms(stretch),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{policy::TASK_OPEN_MAX_MS, trace::trace};

    fn closed(text: &str) -> Vec<Flow> {
        flows(&trace(text), Ending::Closed, TASK_OPEN_MAX_MS)
    }

    fn walk(screens: std::ops::Range<usize>) -> String {
        screens.map(|n| format!("{} nav /s{n}\n", n * 10)).collect()
    }

    #[test]
    fn repeats_are_one_screen_and_coming_back_is_not() {
        let text = "0 nav /a\n1 nav /a\n2 click x\n3 nav /b\n4 nav /a";
        assert_eq!(path(&trace(text)), ["/a", "/b", "/a"]);
    }

    #[test]
    fn a_path_has_twenty_screens_and_a_flow_twelve() {
        let text = walk(0..30);
        assert_eq!(path(&trace(&text)).len(), 20);
        let flows = closed(&text);
        assert_eq!((flows[0].path.len(), flows[0].gaps_ms.len()), (12, 11));
        assert_eq!(
            flows[0].duration_ms, 290,
            "to the last event, not the last screen that is named"
        );
    }

    #[test]
    fn a_session_without_tasks_is_one_flow_from_its_entry_to_its_exit() {
        let flows = closed("0 nav /a\n5 click x\n30 nav /b\n100 click x");
        let expected = Flow {
            task: None,
            outcome: FlowOutcome::Ended,
            path: vec!["/a".to_owned(), "/b".to_owned()],
            gaps_ms: vec![30],
            duration_ms: 100,
        };
        assert_eq!(flows, [expected]);
    }

    #[test]
    fn a_task_has_the_way_from_the_screen_it_began_on_to_its_end() {
        let flows = closed(
            "0 nav /a
            10 nav /b
            20 start pay
            50 nav /c
            70 nav /d
            80 done pay
            90 nav /e",
        );
        let expected = Flow {
            task: Some("pay".to_owned()),
            outcome: FlowOutcome::Completed,
            path: ["/b", "/c", "/d"].map(str::to_owned).into(),
            gaps_ms: vec![30, 20],
            duration_ms: 60,
        };
        assert_eq!(flows, [expected]);
    }

    #[test]
    fn an_abandoned_task_goes_as_far_as_its_time() {
        let flows = closed("0 nav /a\n1 start pay\n2 nav /b\n900001 nav /c\n900002 nav /d");
        assert_eq!(flows[0].path, ["/a", "/b", "/c"]);
        assert_eq!(flows[0].outcome, FlowOutcome::Abandoned);
    }

    #[test]
    fn ways_of_one_screen_are_none_and_neither_are_tasks_that_go_on() {
        assert_eq!(closed("0 nav /a\n1 nav /a\n2 click x"), []);
        assert_eq!(closed("0 nav /a\n1 start pay\n2 done pay\n3 nav /b"), []);
        let now = contract::Timestamp::from_ms(10);
        let open = trace("0 nav /a\n1 start pay\n2 nav /b");
        assert_eq!(flows(&open, Ending::Open { now }, TASK_OPEN_MAX_MS), []);
        assert_eq!(path(&[]), Vec::<String>::new());
    }
}
