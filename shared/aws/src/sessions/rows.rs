//! Sessions and incidents as items.

use contract::{
    Timestamp,
    incident::Incident,
    limits::{DAY_MS, SESSION_CUT_MS},
    session::Session,
};
use friction::change::{SessionState, StoredIncident, StoredSession};
use ports::{PortError, PortResult};

use super::{
    bodies::{Parcel, packed_text, unpacked_text},
    places::{self, INCIDENT, SESSION},
};
use crate::{
    Cloud,
    item::{Fields, Item, flag, item, malformed, millis, number, text, ttl},
};

/// A session as it is put, and its body.
pub(crate) fn session_item(partition: &str, stored: &StoredSession) -> PortResult<(Item, Parcel)> {
    let StoredSession { session, revision, state, actor_slot } = stored;
    let Session { session_id, org_id, product_id, started_at, ended_at, .. } = session;
    // What is stored of an owner is looked for no further back.
    if ended_at.since_ms(*started_at) > SESSION_CUT_MS {
        return Err(PortError::permanent("sessions.commit", "a session of more than 12 hours"));
    }
    let raw = serde_json::to_vec(session)
        .map_err(|error| PortError::permanent("sessions.commit", error))?;
    let body = Parcel::whole(&raw)?;
    let mut item = item([
        ("pk", text(partition)),
        ("sk", text(places::session(*started_at, session_id))),
        ("named", text(places::named_session(org_id, session_id))),
        ("product", text(product_id.as_str())),
        ("ended_at", millis(*ended_at)),
        ("state", text(state.as_str())),
        ("revision", number(revision)),
        ("slot", number(actor_slot)),
        ("ttl", ttl(started_at.plus_ms(SESSIONS_TTL_MS))),
    ]);
    // What is superseded is in no list.
    if *state != SessionState::Superseded {
        enlist(
            &mut item,
            places::list(SESSION, org_id, *started_at),
            *started_at,
            session_id.as_str(),
        );
    }
    body.describe(&mut item);
    Ok((item, body))
}

/// An incident as it is put, as the commit of this version said it.
pub(crate) fn incident_item(
    partition: &str,
    version: u64,
    stored: &StoredIncident,
) -> PortResult<Item> {
    let StoredIncident { incident, retracted, revision } = stored;
    let Incident {
        incident_id, org_id, product_id, session_id, rule, started_at, ended_at, ..
    } = incident;
    let raw = serde_json::to_string(incident)
        .map_err(|error| PortError::permanent("sessions.post", error))?;
    let mut item = item([
        ("pk", text(partition)),
        ("sk", text(format!("{INCIDENT}{incident_id}"))),
        ("ended", millis(*ended_at)),
        ("product", text(product_id.as_str())),
        ("session", text(session_id.as_str())),
        ("rule", text(rule.as_str())),
        ("retracted", flag(*retracted)),
        ("revision", number(revision)),
        ("version", number(version)),
        ("body", packed_text(&raw)?),
        ("ttl", ttl(started_at.plus_ms(SESSIONS_TTL_MS))),
    ]);
    // What is retracted is in no list.
    if !retracted {
        enlist(&mut item, places::list(INCIDENT, org_id, *started_at), *started_at, incident_id);
    }
    Ok(item)
}

/// Reads an incident.
pub(crate) fn incident(item: &Item) -> PortResult<StoredIncident> {
    let raw = unpacked_text(item, "body")?;
    Ok(StoredIncident {
        incident: serde_json::from_str(&raw).map_err(|_| malformed("body"))?,
        retracted: item.flag("retracted")?,
        revision: item.number("revision")?,
    })
}

impl Cloud {
    /// Reads a session.
    pub(crate) async fn stored_session(
        &self,
        operation: &'static str,
        item: &Item,
    ) -> PortResult<StoredSession> {
        let raw = self.body(operation, item).await?;
        Ok(StoredSession {
            session: serde_json::from_slice(&raw).map_err(|_| malformed("body"))?,
            revision: item.number("revision")?,
            state: SessionState::parse(item.text("state")?).ok_or_else(|| malformed("state"))?,
            actor_slot: item.number("slot")?,
        })
    }
}

fn enlist(item: &mut Item, list: String, at: Timestamp, id: &str) {
    item.insert("list".to_owned(), text(list));
    item.insert("place".to_owned(), text(places::place(at, id)));
}

/// How long sessions and incidents are kept from their beginning, and cells from their day.
pub(crate) const SESSIONS_TTL_MS: i64 = 400 * DAY_MS;
