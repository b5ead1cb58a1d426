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
