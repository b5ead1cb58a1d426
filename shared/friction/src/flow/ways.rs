//! The ways through a session: all of it, and that of each task.

use contract::{
    Event,
    limits::{FLOW_SCREENS_MAX, PATH_SCREENS_MAX},
    session::{Flow, FlowOutcome},
};

use super::Ending;
use super::{
    tasks,
    timeline::{Step, Stretch, Timeline},
};

/// The screens of a session in order, repeats collapsed, the first 20.
#[must_use]
pub fn path(events: &[Event]) -> Vec<String> {
    let timeline = Timeline::of(events);
    let whole = timeline.whole();
    let steps = whole.into_iter().flat_map(|whole| timeline.steps(whole));
    steps.take(PATH_SCREENS_MAX).map(|step| step.screen.to_owned()).collect()
}

/// The flows of a session: one for each run of a task that is over, or the way through it when it had no tasks. Ways of one
/// screen are none.
#[must_use]
pub fn flows(events: &[Event], ending: Ending) -> Vec<Flow> {
    let timeline = Timeline::of(events);
    let runs = tasks::runs(&timeline, ending);
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
