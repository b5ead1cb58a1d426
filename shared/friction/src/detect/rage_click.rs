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
