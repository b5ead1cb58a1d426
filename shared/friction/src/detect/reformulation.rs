//! The same question in other words.

use contract::{
    Event, EventType, Timestamp,
    incident::{Confidence, Rule},
};

use super::{finding::Finding, scene::Scene};
use crate::rules::{Reformulation, Rules, Settings as _};

/// Reformulations. Events carry no text, so that two questions are alike cannot be seen. What can be seen is a user who asks
/// again soon after each answer, and signs that the answers did not do: `minMessages` of `knowledge.chat_message_created` by
/// the role `user`, each at most `replyMs` after an answer of the `assistant` to the one before, with `minSignals` among them
/// or at most `replyMs` after the last and before the next row of messages. Signs are `friction.explanation_request`,
/// `user_override`, `challenge`, `kg_low_confidence` and negative `feedback`; positive feedback ends a row, because the answer
/// did.
///
/// The incident is made of the messages and the signs. Low confidence with a single sign.
pub(super) fn find(scene: &Scene<'_>, rules: &Rules) -> Vec<Finding> {
    let own = &rules.thresholds.reformulation;
    let signs = scene.places(is_sign);
    let mut found = Vec::new();
    let mut row: Vec<usize> = Vec::new();
    let mut answered: Option<Timestamp> = None;
    for (place, event) in scene.events().iter().enumerate() {
        match turn(event) {
            Some(Turn::Answer) => answered = Some(event.occurred_at),
            Some(Turn::Question) => {
                let is_soon = |at: Timestamp| event.occurred_at.since_ms(at) <= own.reply_ms;
                if !answered.take().is_some_and(is_soon) {
                    found.extend(reformulation(scene, &row, &signs, place, own));
                    row.clear();
                }
                row.push(place);
            }
            Some(Turn::Praise) => {
                found.extend(reformulation(scene, &row, &signs, place, own));
                row.clear();
                answered = None;
            }
            None => {}
        }
    }
    found.extend(reformulation(scene, &row, &signs, scene.events().len(), own));
    found
}

enum Turn {
    Question,
    Answer,
    Praise,
}

fn turn(event: &Event) -> Option<Turn> {
    let says = |key: &str| event.context.get(key).and_then(|value| value.as_str());
    match (event.event_type, says("role"), says("userAction")) {
        (EventType::ChatMessageCreated, Some("user"), _) => Some(Turn::Question),
        (EventType::ChatMessageCreated, Some("assistant"), _) => Some(Turn::Answer),
        (EventType::Feedback, _, Some("positive")) => Some(Turn::Praise),
        _ => None,
    }
}

fn is_sign(event: &Event) -> bool {
    let is_negative =
        || event.context.get("userAction").and_then(|value| value.as_str()) == Some("negative");
    let kind = event.event_type;
    matches!(
        kind,
        EventType::ExplanationRequest
            | EventType::UserOverride
            | EventType::Challenge
            | EventType::KgLowConfidence
    ) || kind == EventType::Feedback && is_negative()
}

/// What `row` is, which ended before the event at `end`.
fn reformulation(
    scene: &Scene<'_>,
    row: &[usize],
    signs: &[(usize, Timestamp)],
    end: usize,
    own: &Reformulation,
) -> Option<Finding> {
    let (first, last) = row.first().zip(row.last())?;
    let until = scene.at(*last).plus_ms(own.reply_ms);
    let from = signs.partition_point(|(place, _)| place < first);
    let past = signs.partition_point(|(place, at)| *place < end && *at <= until);
    let signs = signs.get(from..past).unwrap_or_default();
    if row.len() < own.min_messages || signs.len() < own.min_signals {
        return None;
    }
    let mut places: Vec<usize> =
        signs.iter().map(|(place, _)| *place).chain(row.iter().copied()).collect();
    places.sort_unstable();
    let confidence = if signs.len() == 1 { Confidence::Low } else { Confidence::Medium };
    let finding = Finding::in_events(Rule::Reformulation, own.thresholds(), scene, &places);
    Some(Finding { confidence, ..finding })
}

#[cfg(test)]
mod tests {
    use contract::incident::Confidence;

    use crate::trace::{found, seen};

    /// Three questions, the last `ms` after the answer to the second.
    fn chat(ms: i64, sign: &str) -> String {
        format!(
            "0 user\n1000 assistant\n5000 user\n6000 assistant\n{} user\n{sign}\n90000 assistant",
            6_000 + ms
        )
    }

    #[test]
    fn asking_again_soon_after_each_answer_with_a_sign_is_reformulation() {
        let sign = "3000 friction explanation_request";
        let asked = |ms: i64| !seen(&chat(ms, sign)).is_empty();
        assert_eq!((asked(59_999), asked(60_000), asked(60_001)), (true, true, false));
        assert_eq!(seen(&chat(2_000, sign)), ["reformulation 0-8000 x4"]);
    }

    #[test]
    fn a_lively_chat_without_a_sign_is_none() {
        assert!(seen(&chat(2_000, "")).is_empty());
        assert!(seen(&chat(2_000, "7000 friction feedback")).is_empty(), "neither good nor bad");
        assert!(
            seen("0 user\n1 friction challenge\n2 assistant\n3 user").is_empty(),
            "two questions"
        );
    }

    #[test]
    fn questions_without_an_answer_between_them_are_not_asked_again() {
        assert!(seen("0 user\n1000 user\n2000 user\n3000 friction challenge").is_empty());
    }

    #[test]
    fn every_sign_counts_and_one_alone_is_weak() {
        for sign in [
            "friction explanation_request",
            "friction user_override",
            "friction challenge",
            "friction kg_low_confidence",
            "disliked",
        ] {
            let one = found(&chat(2_000, &format!("7000 {sign}")));
            assert_eq!(one[0].confidence, Confidence::Low, "{sign}");
        }
        let two = found(&chat(2_000, "7000 disliked\n7500 friction handoff\n7600 disliked"));
        assert_eq!((two[0].confidence, two[0].count), (Confidence::Medium, 5));
    }

    #[test]
    fn a_sign_counts_until_a_minute_after_the_last_question() {
        let signed = |ms: i64| !seen(&chat(2_000, &format!("{} disliked", 8_000 + ms))).is_empty();
        assert_eq!((signed(59_999), signed(60_000), signed(60_001)), (true, true, false));
    }

    #[test]
    fn an_answer_that_is_liked_ends_the_row() {
        assert!(seen(&chat(2_000, "2000 friction challenge\n5500 liked")).is_empty());
        assert!(seen(&chat(2_000, "9000 liked\n10000 disliked")).is_empty(), "and its signs");
    }
}
