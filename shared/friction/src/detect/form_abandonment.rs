//! A form that was begun and not sent.

use std::collections::BTreeSet;

use contract::{
    Event, EventType, Timestamp,
    incident::{Confidence, Rule},
};

use super::{
    Ending,
    finding::Finding,
    scene::{Scene, Visit},
};
use crate::rules::{FormAbandonment, Names, Rules, Settings as _};

/// Abandoned forms. A form is a stay on a screen with `minInputs` of `ui.input_meta` that `ignore` does not mean; leaving is
/// another screen, or the session's end.
///
/// It counts as sent when, after the last input: something is pressed that is in `submit` or not in `cancel` (a button nobody
/// told us about may send), and is no input of the form itself; or a `ui.custom` is named like something in `submit`; or a
/// task is completed, `settleMs` after leaving at the latest. So what is found has little doubt, and much is not found until
/// `submit` and `cancel` name a product's buttons.
///
/// The incident is made of the inputs and names the last of them, where the form was given up. Low confidence: the screen
/// changed within `enterMs` of the last input without a press, which the Enter key also does.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules, ending: Ending) -> Vec<Finding> {
    let own = &rules.thresholds.form_abandonment;
    let completed = scene.places(|event| event.event_type == EventType::TaskCompleted);
    let found = scene.visits.iter().filter_map(|visit| {
        let inputs = inputs(scene, visit, own);
        let last = *inputs.last().filter(|_| inputs.len() >= own.min_inputs)?;
        let left_at = (visit.until < scene.events().len()).then(|| scene.at(visit.until));
        let settled_at = match left_at {
            Some(left) => left.plus_ms(own.settle_ms),
            None if ending == Ending::Closed => Timestamp::from_ms(i64::MAX),
            None => return None,
        };
        let after = completed.partition_point(|(_, at)| *at < scene.at(last));
        let is_completed = completed.get(after).is_some_and(|(_, at)| *at <= settled_at);
        if !ending.is_past(settled_at) || is_completed || is_sent(scene, visit, &inputs, own) {
            return None;
        }
        Some(finding(scene, visit, &inputs, left_at, own))
    });
    found.collect()
}

fn inputs(scene: &Scene<'_>, visit: &Visit<'_>, own: &FormAbandonment) -> Vec<usize> {
    let is_input = |event: &Event| {
        event.event_type == EventType::UiInputMeta
            && !Names::of(event).on_screen(Some(visit.screen)).are_in(&own.ignore)
    };
    let inputs = scene.between(visit.from, visit.until).filter(|(_, event)| is_input(event));
    inputs.map(|(place, _)| place).collect()
}

fn is_sent(scene: &Scene<'_>, visit: &Visit<'_>, inputs: &[usize], own: &FormAbandonment) -> bool {
    let Some(last) = inputs.last() else { return false };
    let key = |event: &Event| event.element.as_ref().map(|element| element.key.clone());
    let fields: BTreeSet<String> =
        inputs.iter().filter_map(|place| key(scene.events().get(*place)?)).collect();
    scene.between(*last, visit.until).any(|(_, event)| {
        let names = Names::of(event).on_screen(Some(visit.screen));
        if matches!(event.event_type, EventType::UiClick | EventType::UiDeadClick) {
            let is_field = || key(event).is_some_and(|key| fields.contains(&key));
            return names.are_in(&own.submit) || !names.are_in(&own.cancel) && !is_field();
        }
        let called = event.context.get("name").and_then(|name| name.as_str());
        event.event_type == EventType::UiCustom
            && called.is_some_and(|name| names.with_key(name).are_in(&own.submit))
    })
}

fn finding(
    scene: &Scene<'_>,
    visit: &Visit<'_>,
    inputs: &[usize],
    left_at: Option<Timestamp>,
    own: &FormAbandonment,
) -> Finding {
    let last = inputs.last().copied().unwrap_or(visit.from);
    let input = scene.events().get(last).and_then(|event| event.element.as_ref());
    let is_pressed =
        scene.between(last, visit.until).any(|(_, event)| event.event_type == EventType::UiClick);
    let is_soon = left_at.is_some_and(|left| left.since_ms(scene.at(last)) <= own.enter_ms);
    let confidence = if is_soon && !is_pressed { Confidence::Low } else { Confidence::Medium };
    let finding = Finding::in_events(Rule::FormAbandonment, own.thresholds(), scene, inputs);
    Finding { element: input.map(|element| element.key.clone()), confidence, ..finding }
}

#[cfg(test)]
mod tests {
    use contract::{Timestamp, incident::Confidence};

    use crate::{
        detect::{Ending, Finding, detect},
        rules::{RuleSet, Rules},
        trace::{found, seen, trace},
    };

    fn abandoned(text: &str) -> Vec<Finding> {
        let is_form = |finding: &Finding| finding.rule.as_str() == "form_abandonment";
        found(text).into_iter().filter(is_form).collect()
    }

    #[test]
    fn leaving_or_closing_without_sending_abandons_a_form() {
        let text = "0 nav /form\n1000 input name\n2000 input mail\n9000 nav /home";
        assert_eq!(seen(text), ["form_abandonment 1000-2000 x2"]);
        let finding = &abandoned(text)[0];
        assert_eq!(
            (finding.screen.as_deref(), finding.element.as_deref()),
            (Some("/form"), Some("mail"))
        );
        assert_eq!(finding.confidence, Confidence::Medium);
        assert_eq!(seen("0 nav /form\n1000 input name"), ["form_abandonment 1000-1000 x1"]);
        assert!(seen("0 nav /form\n9000 nav /home").is_empty());
    }

    #[test]
    fn sending_is_a_press_that_may_send_a_named_event_or_a_completed_task() {
        let then = |what: &str| {
            abandoned(&format!("0 nav /f\n1000 input name:input\n{what}\n9000 nav /b")).len()
        };
        for sent in [
            "2000 click order-save:button",
            "2000 click go:submit",
            "2000 click b17:button",
            "2000 click b17",
            "2000 click save_and_close:link",
            "2000 custom form_submit",
            "2000 done buy",
            "1000 done buy",
            "13999 done buy",
            "14000 done buy",
            "2000 dead send",
        ] {
            assert_eq!(then(sent), 0, "{sent}");
        }
        for not in [
            "2000 click form_cancel:button",
            "2000 click back",
            "2000 click home:link",
            "2000 click name:x",
            "500 click send:button",
            "2000 custom opened",
            "14001 done buy",
            "2000 cancel buy",
            "900 done buy",
        ] {
            assert_eq!(then(not), 1, "{not}");
        }
    }

    #[test]
    fn a_form_is_still_open_while_the_session_is_on_it() {
        let open = |text: &str, now: i64| {
            let ending = Ending::Open { now: Timestamp::from_ms(now) };
            detect(&trace(text), &Rules::default(), ending).len()
        };
        assert_eq!(open("0 nav /f\n1000 input name", 1_000_000), 0);
        let left = "0 nav /f\n1000 input name\n9000 nav /b";
        assert_eq!((open(left, 13_999), open(left, 14_000), open(left, 14_001)), (0, 0, 1));
    }

    #[test]
    fn the_enter_key_may_have_sent_what_was_left_at_once() {
        let left = |ms: i64| {
            abandoned(&format!("0 nav /f\n1000 input name\n{} nav /b", 1_000 + ms))[0].confidence
        };
        assert_eq!((left(1_000), left(1_001)), (Confidence::Low, Confidence::Medium));
        let pressed = "0 nav /f\n1000 input name\n1500 click home:link\n1600 nav /b";
        assert_eq!(abandoned(pressed)[0].confidence, Confidence::Medium);
    }

    #[test]
    fn a_search_box_is_no_form() {
        for input in ["search", "site_search", "q:search", "price-filter", "msg:chat"] {
            assert!(
                seen(&format!("0 nav /f\n1000 input {input}\n9000 nav /b")).is_empty(),
                "{input}"
            );
        }
    }

    #[test]
    fn one_input_can_be_too_little_to_be_a_beginning() {
        let set = r#"{"version": 2, "rules": {"form_abandonment": {"minInputs": 2}}}"#;
        let rules = RuleSet::parse(set).unwrap().for_product(&"app".parse().unwrap());
        let count = |text: &str| detect(&trace(text), &rules, Ending::Closed).len();
        assert_eq!(count("0 nav /f\n1000 input name\n9000 nav /b"), 0);
        assert_eq!(count("0 nav /f\n1000 input name\n1001 input name\n9000 nav /b"), 1);
    }
}
