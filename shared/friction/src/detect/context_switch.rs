//! Away from an open task and back.

use contract::{Event, EventType, Family, Timestamp, incident::Rule};

use super::{finding::Finding, scene::Scene};
use crate::rules::{Rules, Settings as _};

/// Context switches: a `ui.focus_change` with `visible: false` while a task is open, and the next event that shows the user
/// is back, more than `awayMs` and at most `backMs` later. That is one with `visible: true`, or anything done in the
/// interface. One without `visible` says neither. `friction.context_switch` is a signal of its own and makes no incident.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.context_switch;
    let mut found = Vec::new();
    let mut lost: Option<(usize, Timestamp)> = None;
    for (place, event) in scene.events().iter().enumerate() {
        match (attention(event), lost) {
            (Some(Attention::Lost), None) => lost = Some((place, event.occurred_at)),
            (Some(Attention::Here), Some((from, at))) => {
                lost = None;
                let away_ms = event.occurred_at.since_ms(at);
                let is_switch = away_ms > own.away_ms && away_ms <= own.back_ms;
                if is_switch && scene.task(from).is_some() {
                    let places = [from, place];
                    let rule = Rule::ContextSwitch;
                    found.push(Finding::in_events(rule, own.thresholds(), scene, &places));
                }
            }
            (Some(Attention::Lost), Some(_)) | (Some(Attention::Here), None) | (None, _) => {}
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attention {
    Here,
    Lost,
}

fn attention(event: &Event) -> Option<Attention> {
    if event.event_type == EventType::UiFocusChange {
        let visible = event.context.get("visible")?.as_bool()?;
        return Some(if visible { Attention::Here } else { Attention::Lost });
    }
    let is_done = event.event_type.family() == Family::Ui
        && !matches!(event.event_type, EventType::UiError | EventType::UiCustom);
    is_done.then_some(Attention::Here)
}

#[cfg(test)]
mod tests {
    use crate::trace::{found, seen};

    fn away(ms: i64) -> bool {
        !seen(&format!("0 start export\n1000 lost\n{} back\n900000 done export", 1_000 + ms))
            .is_empty()
    }

    #[test]
    fn away_for_more_than_two_seconds_and_at_most_ten_minutes_is_a_switch() {
        assert_eq!((away(1_999), away(2_000), away(2_001)), (false, false, true));
        assert_eq!((away(599_999), away(600_000), away(600_001)), (true, true, false));
    }

    #[test]
    fn it_is_one_in_a_task_and_none_without() {
        let text = "0 nav /a\n500 start export\n1000 lost\n9000 back\n10000 done export";
        let findings = found(text);
        assert_eq!((findings.len(), findings[0].task.as_deref()), (1, Some("export")));
        assert!(seen("1000 lost\n9000 back").is_empty());
        assert!(seen("0 start export\n500 done export\n1000 lost\n9000 back").is_empty());
    }

    #[test]
    fn whoever_does_something_is_back() {
        let back = |what: &str| {
            seen(&format!("0 start a\n1000 lost\n2000 {what}\n9000 back\n10000 done a"))
        };
        assert!(back("click x:button").is_empty());
        assert_eq!(back("error E1"), ["context_switch 1000-9000 x2"]);
        assert_eq!(back("focus"), ["context_switch 1000-9000 x2"], "which way is not said");
        assert_eq!(back("lost"), ["context_switch 1000-9000 x2"]);
    }

    #[test]
    fn a_signal_of_a_client_makes_no_incident() {
        assert!(seen("0 start a\n1000 friction context_switch\n2000 done a").is_empty());
    }
}
