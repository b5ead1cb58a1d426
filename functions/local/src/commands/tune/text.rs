//! A comparison as people read it.

use super::{TuneReport, compare::Example};
use crate::output::{plain, table};

/// The comparison.
pub(super) fn of(report: &TuneReport) -> String {
    let TuneReport { org, from, to, rule, settings, events, comparison, .. } = report;
    let tried: Vec<String> = settings
        .iter()
        .map(|(name, setting)| format!("{name} {} instead of {}", setting.after, setting.before))
        .collect();
    let mut text = format!(
        "{org}, sessions that began from {from} to {to}: {rule} with {}\n{} sessions of {events} events, {} would differ\n\n",
        plain(&tried.join(", ")),
        comparison.sessions,
        comparison.affected
    );
    let rows: Vec<Vec<String>> = comparison
        .rules
        .iter()
        .map(|(rule, change)| {
            let numbers =
                [change.before, change.after, change.gained, change.lost, change.sessions];
            [rule.to_string()].into_iter().chain(numbers.map(|n| n.to_string())).collect()
        })
        .collect();
    let head = ["rule", "before", "after", "gained", "lost", "sessions affected"];
    text.push_str(&table(&head, &rows));
    let score = |score: Option<f64>| score.map_or_else(|| "-".to_owned(), |s| format!("{s:.4}"));
    text.push_str(&format!(
        "mean frustration {}, after {}\n",
        score(comparison.frustration.before),
        score(comparison.frustration.after)
    ));
    for (what, examples) in [("gained", &comparison.gained), ("lost", &comparison.lost)] {
        if !examples.is_empty() {
            text.push_str(&format!("\n{what}, the first of them:\n"));
            examples.iter().for_each(|example| text.push_str(&line(example)));
        }
    }
    text
}

fn line(example: &Example) -> String {
    let Example { at, rule, session_id, screen, element, count } = example;
    let element = element.as_ref().map(|element| format!("[{element}]"));
    let place = [screen.clone(), element].into_iter().flatten().collect::<Vec<_>>().join(" ");
    format!("  {at}  {session_id}  {rule}  {count} events  {}\n", plain(&place))
}
