//! What is announced of a session and of an incident.

use contract::Timestamp;
use serde_json::json;

use super::Change;
use crate::change::{Notice, SessionState, StoredIncident, StoredSession};

pub(super) fn of_session(change: &Change, now: Timestamp) -> Option<Notice> {
    let StoredSession { session, revision, state, actor_slot } = &change.to;
    let was_counted = |held: &&StoredSession| held.state == SessionState::Closed;
    let old = change.from.as_ref().filter(was_counted).map(|held| &held.session);
    let kind = match state {
        SessionState::Open => return None,
        SessionState::Closed => "session.closed",
        SessionState::Superseded => {
            old?;
            "session.superseded"
        }
    };
    let new = (*state == SessionState::Closed).then_some(session);
    Some(Notice {
        id: format!("session:{}:{revision}", session.session_id),
        kind: kind.to_owned(),
        org: session.org_id.clone(),
        at: now,
        detail: json!({
            "sessionId": session.session_id, "revision": revision, "session": new, "before": old,
            "actorSlot": actor_slot,
        })
        .to_string(),
    })
}

pub(super) fn of_incident(told: &StoredIncident, now: Timestamp) -> Notice {
    let incident = &told.incident;
    let kind = if told.retracted {
        "incident.retracted".to_owned()
    } else {
        format!("incident.{}", incident.rule)
    };
    Notice {
        id: format!("incident:{}:{}", incident.incident_id, told.revision),
        kind,
        org: incident.org_id.clone(),
        at: now,
        detail: json!({ "revision": told.revision, "incident": incident }).to_string(),
    }
}
