//! Parked events on their way again: those that were rendered once travel in those bytes.

use contract::{Code, Event};

use super::{Caps, Chosen, NewBatch};
use crate::{
    delivery::ParkedEvent,
    profile::{Profile, RenderedEvent, Slot},
    pseudonym::connector_event_id,
};

/// Plans the next batch of parked events, in their order, and says how many of them it takes: at least one, and none
/// only of none. The caps bind as in [`super::next`].
#[must_use]
pub fn again(
    parked: &[ParkedEvent],
    slot: &Slot<'_>,
    profile: &Profile,
    caps: Caps,
) -> Option<(NewBatch, usize)> {
    let mut chosen = Chosen::default();
    for event in parked {
        let event = rendered(event, slot, profile);
        if !chosen.takes(&event, slot, profile, caps) {
            break;
        }
        chosen.push(event);
    }
    let taken = chosen.events.len();
    (taken > 0).then(|| (profile.assemble(slot, &chosen.events), taken))
}

/// An event that was parked before any batch took it is still the staged event, and is rendered now.
fn rendered(parked: &ParkedEvent, slot: &Slot<'_>, profile: &Profile) -> RenderedEvent {
    let staged = || serde_json::from_slice::<Event>(&parked.body).ok();
    let anew = (parked.reason == Code::RescuesExhausted).then(staged).flatten();
    anew.and_then(|event| profile.render_event(&event)).unwrap_or_else(|| {
        let json = String::from_utf8_lossy(&parked.body).into_owned();
        RenderedEvent {
            event_id: parked.event_id.clone(),
            connector_id: connector_event_id(slot.org, &parked.event_id),
            at: profile.time_of(&json),
            json,
        }
    })
}

#[cfg(test)]
mod tests {
    use contract::OrgId;

    use super::*;

    #[test]
    fn parked_events_travel_in_their_own_bytes_within_the_caps() {
        let org = OrgId::parse("acme").unwrap();
        let slot = Slot { org: &org, seq: "000000000007".to_owned() };
        let profile = Profile::parse("athena-eu").unwrap();
        let parked: Vec<ParkedEvent> = (0..5)
            .map(|n| ParkedEvent {
                event_id: format!("e.{n}").parse().unwrap(),
                reason: Code::ConnectorRejected,
                detail: String::new(),
                body: format!(
                    r#"{{"eventId":"evt_{n}","timestamp":"2026-02-12T00:00:0{n}.000Z"}}"#
                )
                .into_bytes(),
            })
            .collect();
        let (batch, taken) =
            again(&parked, &slot, &profile, Caps { events: 3, bytes: 10_000 }).unwrap();
        assert_eq!(taken, 3);
        let body = String::from_utf8(batch.body).unwrap();
        assert!(
            parked[..3]
                .iter()
                .all(|event| body.contains(std::str::from_utf8(&event.body).unwrap()))
        );
        assert!(body.contains("2026-02-12T00:00:02.000Z"));
        assert_eq!(again(&[], &slot, &profile, Caps::default()), None);
    }

    #[test]
    fn an_event_parked_before_any_batch_took_it_is_rendered_now() {
        let org = OrgId::parse("acme").unwrap();
        let slot = Slot { org: &org, seq: "000000000007".to_owned() };
        let profile = Profile::parse("athena-eu").unwrap();
        let staged = ParkedEvent {
            event_id: "e.1".parse().unwrap(),
            reason: Code::RescuesExhausted,
            detail: String::new(),
            body: br#"{"eventId":"e.1","eventType":"friction.abandon","occurredAt":"2026-02-12T00:00:00Z","orgId":"acme","traceComponent":"transparency"}"#.to_vec(),
        };
        let (batch, _) = again(&[staged], &slot, &profile, Caps::default()).unwrap();
        let body = String::from_utf8(batch.body).unwrap();
        assert!(body.contains(r#""eventType":"abandon""#), "{body}");
        assert!(body.contains("evt_"), "{body}");
    }
}
