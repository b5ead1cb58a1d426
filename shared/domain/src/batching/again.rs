//! Parked events on their way again: they were rendered once, and travel in those bytes.

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
        let json = String::from_utf8_lossy(&event.body).into_owned();
        let event = RenderedEvent {
            event_id: event.event_id.clone(),
            connector_id: connector_event_id(slot.org, &event.event_id),
            at: profile.time_of(&json),
            json,
        };
        if !chosen.takes(&event, slot, profile, caps) {
            break;
        }
        chosen.push(event);
    }
    let taken = chosen.events.len();
    (taken > 0).then(|| (profile.assemble(slot, &chosen.events), taken))
}

#[cfg(test)]
mod tests {
    use contract::{Code, OrgId};

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
}
