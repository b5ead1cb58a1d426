//! A backend operation that fails again and again.

use std::collections::BTreeMap;

use contract::{Event, Family, Timestamp, incident::Rule};

use super::{bursts::bursts, finding::Finding, scene::Scene};
use crate::rules::{Rules, Settings as _};

/// Retry storms: `minFailures` of `backend.error`, `backend.retry` and `backend.timeout` of one `operation` within
/// `withinMs`; one incident per operation for as long as that goes on. The incident's element is the operation. An event that
/// names no operation is left out.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.retry_storm;
    let mut failures: BTreeMap<&str, Vec<(usize, Timestamp)>> = BTreeMap::new();
    for (place, event) in scene.events().iter().enumerate() {
        if let Some(operation) = operation(event) {
            failures.entry(operation).or_default().push((place, event.occurred_at));
        }
    }
    let found = failures.into_iter().flat_map(|(operation, failures)| {
        let storms = bursts(&failures, own.min_failures, own.within_ms);
        storms.into_iter().map(move |places| {
            let finding = Finding::in_events(Rule::RetryStorm, own.thresholds(), scene, &places);
            Finding { element: Some(operation.to_owned()), ..finding }
        })
    });
    found.collect()
}

/// The operation that failed.
fn operation(event: &Event) -> Option<&str> {
    if event.event_type.family() != Family::Backend {
        return None;
    }
    event.context.get("operation")?.as_str()
}

#[cfg(test)]
mod tests {
    use crate::trace::{found, seen};

    #[test]
    fn three_failures_of_an_operation_within_a_minute_are_a_storm() {
        for (last, expected) in [(59_999, 1), (60_000, 1), (60_001, 0)] {
            let text = format!("0 failed pay\n100 retry pay\n{last} timeout pay");
            assert_eq!(seen(&text).len(), expected, "{last}");
        }
        assert!(seen("0 failed pay\n100 failed pay").is_empty());
    }

    #[test]
    fn each_operation_has_its_own_and_a_storm_counts_all_failures() {
        let text = "0 failed pay\n1 failed load\n2 retry pay\n3 retry load\n4 timeout pay\n40000 failed pay";
        assert_eq!(seen(text), ["retry_storm 0-40000 x4"]);
        assert_eq!(found(text)[0].element.as_deref(), Some("pay"));
    }

    #[test]
    fn failures_after_a_minute_of_silence_are_another_storm() {
        let text =
            "0 failed a\n1 failed a\n2 failed a\n70000 failed a\n70001 failed a\n70002 failed a";
        assert_eq!(seen(text), ["retry_storm 0-2 x3", "retry_storm 70000-70002 x3"]);
    }
}
