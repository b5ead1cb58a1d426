//! What invokes the Lambda entry point: the schedule, or the bus with an urgent organisation.

use contract::OrgId;
use ports::bus::AnnouncementKind;
use serde_json::Value;

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// The schedule: everybody.
    Tick,
    /// One organisation does not wait.
    Urgent(OrgId),
}

impl Call {
    /// Reads an invocation's payload. Everything but an urgent organisation is a tick: a tick too many is harmless.
    #[must_use]
    pub fn of(payload: &Value) -> Self {
        let is_urgent = payload.get("detail-type").and_then(Value::as_str)
            == Some(AnnouncementKind::OrgUrgent.as_str());
        let org = payload.pointer("/detail/org").and_then(Value::as_str);
        match org.map(OrgId::parse) {
            Some(Ok(org)) if is_urgent => Self::Urgent(org),
            Some(_) | None => Self::Tick,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bus_names_an_organisation_and_everything_else_is_a_tick() {
        let urgent = json!({"detail-type": "org.urgent", "detail": {"org": "acme"}});
        assert_eq!(Call::of(&urgent), Call::Urgent(OrgId::parse("acme").unwrap()));
        for tick in [
            json!({"detail-type": "Scheduled Event", "detail": {}}),
            json!({"detail-type": "org.urgent", "detail": {"org": "not an id"}}),
            json!({"detail-type": "batch.parked", "detail": {"org": "acme"}}),
            json!({}),
            json!(null),
        ] {
            assert_eq!(Call::of(&tick), Call::Tick, "{tick}");
        }
    }
}
