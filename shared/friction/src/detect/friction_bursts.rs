//! Signals about the product's answers that come one after the other.

use std::collections::BTreeMap;

use contract::{EventType, incident::Rule};

use super::{bursts::bursts, finding::Finding, scene::Scene};
use crate::rules::{Rules, Settings as _};

/// `minEvents` of `friction.user_override` within `withinMs`. Each is a signal of its own; together they say that one after
/// the other was of no use.
pub(super) fn overrides(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.override_burst;
    let often =
        Often { min: own.min_events, within_ms: own.within_ms, thresholds: own.thresholds() };
    often.find(scene, Rule::OverrideBurst, EventType::UserOverride)
}

/// The same of `friction.challenge`, over a longer time: an answer is read before it is disputed.
pub(super) fn challenges(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.challenge_burst;
    let often =
        Often { min: own.min_events, within_ms: own.within_ms, thresholds: own.thresholds() };
    often.find(scene, Rule::ChallengeBurst, EventType::Challenge)
}

/// The same of `friction.kg_low_confidence`.
pub(super) fn low_confidence(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.low_confidence_burst;
    let often =
        Often { min: own.min_events, within_ms: own.within_ms, thresholds: own.thresholds() };
    often.find(scene, Rule::LowConfidenceBurst, EventType::KgLowConfidence)
}

struct Often {
    min: usize,
    within_ms: i64,
    thresholds: BTreeMap<String, f64>,
}

impl Often {
    fn find(self, scene: &Scene<'_>, rule: Rule, kind: EventType) -> Vec<Finding> {
        let signals = scene.places(|event| event.event_type == kind);
        let found = bursts(&signals, self.min, self.within_ms);
        let finding =
            |places: Vec<usize>| Finding::in_events(rule, self.thresholds.clone(), scene, &places);
        found.into_iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use contract::Pillar;

    use crate::trace::{found, seen};

    #[test]
    fn three_signals_of_a_kind_within_its_time_are_a_burst() {
        for (kind, rule, within) in [
            ("user_override", "override_burst", 300_000),
            ("challenge", "challenge_burst", 600_000),
            ("kg_low_confidence", "low_confidence_burst", 300_000),
        ] {
            for (last, is_found) in [(within - 1, true), (within, true), (within + 1, false)] {
                let text = format!("0 friction {kind}\n9 friction {kind}\n{last} friction {kind}");
                let expected = is_found.then(|| format!("{rule} 0-{last} x3"));
                assert_eq!(seen(&text), Vec::from_iter(expected), "{kind} {last}");
            }
            assert!(seen(&format!("0 friction {kind}\n9 friction {kind}")).is_empty());
        }
    }

    #[test]
    fn signals_of_different_kinds_are_no_burst() {
        let text = "0 friction user_override\n1 friction challenge\n2 friction kg_low_confidence";
        assert!(seen(text).is_empty());
    }

    #[test]
    fn a_burst_names_the_pillar_that_its_signals_name() {
        let text = "0 friction challenge\n1 friction challenge\n2 friction challenge";
        assert_eq!(found(text)[0].trace_component, Some(Pillar::Reasoning));
    }
}
