//! A mouse moved to and fro.

use contract::{Event, EventType, incident::Rule};

use super::{finding::Finding, scene::Scene};
use crate::rules::{Names, Rules, Settings as _};

/// Mouse thrashing, which only a client can see: `ui.custom` with a `name` that `reports` means. Reports on one screen that
/// follow each other within `repeatMs` are one incident.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.mouse_thrash;
    let is_report = |event: &Event| {
        let name = event.context.get("name").and_then(|name| name.as_str());
        event.event_type == EventType::UiCustom
            && name.is_some_and(|name| Names::of(event).with_key(name).are_in(&own.reports))
    };
    let reports = scene.places(is_report);
    let is_same = |(a, at): &(usize, _), (b, later): &(usize, contract::Timestamp)| {
        later.since_ms(*at) <= own.repeat_ms && scene.screen(*a) == scene.screen(*b)
    };
    let found = reports.chunk_by(is_same).map(|reports| {
        let places: Vec<usize> = reports.iter().map(|(place, _)| *place).collect();
        Finding::in_events(Rule::MouseThrash, own.thresholds(), scene, &places).tagged("reported")
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use crate::trace::{found, seen, seen_by};

    #[test]
    fn what_a_client_reports_is_an_incident() {
        for name in ["mouse_thrash", "mouseThrash", "mouse-thrashing", "thrashed_cursor"] {
            let text = format!("0 nav /a\n5 custom {name}");
            assert_eq!(seen(&text), ["mouse_thrash 5-5 x1"], "{name}");
        }
        assert!(seen("0 nav /a\n5 custom mouse_over").is_empty());
        assert_eq!(found("0 nav /a\n5 custom mouse_thrash")[0].tags, ["reported"]);
    }

    #[test]
    fn reports_within_two_seconds_on_one_screen_are_one() {
        let again = |ms: i64| {
            seen_by(
                "mouse_thrash",
                &format!("0 nav /a\n5 custom mouse_thrash\n{} custom mouse_thrash", 5 + ms),
            )
            .len()
        };
        assert_eq!((again(1_999), again(2_000), again(2_001)), (1, 1, 2));
        assert_eq!(
            seen("0 nav /a\n5 custom mouse_thrash\n6 nav /b\n7 custom mouse_thrash").len(),
            2
        );
    }
}
