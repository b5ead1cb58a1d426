//! What is known about an actor beforehand, merged into the event.

use contract::{Event, event::Assignment};

/// The actor whose assignment would enrich the event: nothing when it carries one already or names no actor.
#[must_use]
pub fn wanted(event: &Event) -> Option<&str> {
    if event.assignment.is_some() { None } else { event.actor_id.as_deref() }
}

/// Merges `known` unless the event carries an assignment of its own, and derives how long ago the assignment was: in
/// ms, negative for what happened before it. Without any assignment the event stays as it is.
pub fn enrich(event: &mut Event, known: Option<&Assignment>) {
    if event.assignment.is_none() {
        event.assignment = known.cloned();
    }
    let occurred_at = event.occurred_at;
    if let Some(assignment) = &mut event.assignment {
        // Derived, so it is never taken from the producer.
        assignment.time_since_assignment = Some(occurred_at.since_ms(assignment.assigned_at));
    }
}

#[cfg(test)]
mod tests {
    use contract::Timestamp;

    use super::*;

    fn event(more: &str) -> Event {
        let text = format!(
            r#"{{"eventId":"e.1","eventType":"ui.click","occurredAt":"1970-01-01T00:00:10Z","orgId":"acme"{more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn assignment(experiment: &str, assigned_at_ms: i64) -> Assignment {
        Assignment {
            experiment_id: experiment.to_owned(),
            variant_id: "b".to_owned(),
            assigned_at: Timestamp::from_ms(assigned_at_ms),
            time_since_assignment: None,
        }
    }

    fn since(event: &Event) -> Option<i64> {
        event.assignment.as_ref().and_then(|assignment| assignment.time_since_assignment)
    }

    #[test]
    fn a_known_assignment_is_merged_with_the_time_since_it() {
        let mut event = event(r#","actorId":"a""#);
        assert_eq!(wanted(&event), Some("a"));
        enrich(&mut event, Some(&assignment("known", 4_000)));
        assert_eq!(event.assignment.as_ref().unwrap().experiment_id, "known");
        assert_eq!(since(&event), Some(6_000));
    }

    #[test]
    fn an_assignment_of_its_own_stays_and_its_derived_time_is_not_believed() {
        let own = r#","actorId":"a","assignment":{"experimentId":"own","variantId":"a","assignedAt":"1970-01-01T00:00:01Z","timeSinceAssignment":5}"#;
        let mut event = event(own);
        assert_eq!(wanted(&event), None);
        enrich(&mut event, Some(&assignment("known", 4_000)));
        assert_eq!(event.assignment.as_ref().unwrap().experiment_id, "own");
        assert_eq!(since(&event), Some(9_000));
    }

    #[test]
    fn what_happened_before_the_assignment_is_negative() {
        let mut event = event(r#","actorId":"a""#);
        enrich(&mut event, Some(&assignment("known", 12_500)));
        assert_eq!(since(&event), Some(-2_500));
    }

    #[test]
    fn an_event_about_which_nothing_is_known_stays_as_it_is() {
        let plain = event("");
        assert_eq!(wanted(&plain), None);
        let mut enriched = plain.clone();
        enrich(&mut enriched, None);
        assert_eq!(enriched, plain);
    }

    #[test]
    fn enriching_again_changes_nothing() {
        let mut once = event(r#","actorId":"a""#);
        enrich(&mut once, Some(&assignment("known", 4_000)));
        let mut twice = once.clone();
        enrich(&mut twice, Some(&assignment("later", 5_000)));
        assert_eq!(twice, once);
    }
}
