//! What projectors made of events so far: one item each, saved over the version that was loaded.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use contract::{EventId, OrgId, limits::DAY_MS, session::SessionId};
use friction::owner::{Owner, Position};
use ports::{
    PortResult,
    projections::{Projected, Projection, Projections, SaveOutcome},
    reference::Subject,
};

use crate::{
    Cloud,
    event_log::EVENTS_TTL_MS,
    fault::port_error,
    item::{Fields, Item, key, malformed, millis, number, text, ttl},
    resources::Resource,
    sessions::{
        bodies::{packed_text, unpacked_text},
        places,
        rows::SESSIONS_TTL_MS,
    },
    transaction::patiently,
};

impl Projections for Cloud {
    async fn load(&self, projected: &Projected) -> PortResult<Option<Projection>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Sessions)?);
        let answer = get.set_key(Some(key_of(projected))).send().await;
        let answer = answer.map_err(|error| port_error("projections.load", error))?;
        answer.item.as_ref().map(read).transpose()
    }

    async fn save(&self, projected: &Projected, projection: Projection) -> PortResult<SaveOutcome> {
        let version = projection.version;
        let put = self
            .0
            .dynamodb
            .put_item()
            .table_name(self.resources().name(Resource::Sessions)?)
            .set_item(Some(item(projected, &projection)?));
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(sk)")
        } else {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", number(version))
        };
        match patiently(|| put.clone().send()).await {
            Ok(_) => Ok(SaveOutcome::Saved),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(SaveOutcome::Stale)
            }
            Err(error) => Err(port_error("projections.save", error)),
        }
    }

    async fn context(
        &self,
        org: &OrgId,
        session: &SessionId,
    ) -> PortResult<Option<(Owner, Projection)>> {
        let Some(item) = self.named(named(org, session)).await? else { return Ok(None) };
        let owner = places::owner(item.text("pk")?).ok_or_else(|| malformed("pk"))?;
        Ok(Some((owner, read(&item)?)))
    }
}

fn key_of(projected: &Projected) -> Item {
    match projected {
        Projected::Context(owner) => key(places::partition(owner), "CONTEXT"),
        Projected::Persons(owner) => key(places::partition(owner), "PERSONS"),
        Projected::Preferences(Subject { org, product, actor }) => {
            key(format!("V#{org}#{product}#{actor}"), "0")
        }
    }
}

/// What the index `named` calls the context of a session.
fn named(org: &OrgId, session: &SessionId) -> String {
    format!("X#{org}#{session}")
}

fn item(projected: &Projected, projection: &Projection) -> PortResult<Item> {
    let Projection { version, session, last, state } = projection;
    let mut item = key_of(projected);
    let mut set = |name: &str, value| drop(item.insert(name.to_owned(), value));
    set("version", number(version.saturating_add(1)));
    set("last_at", millis(last.at));
    set("last_id", text(last.id.as_str()));
    set("body", packed_text(state)?);
    let kept_ms = match projected {
        Projected::Context(owner) => {
            if let Some(session) = session {
                set("named", text(named(&owner.org, session)));
            }
            EVENTS_TTL_MS
        }
        Projected::Persons(_) => EVENTS_TTL_MS,
        Projected::Preferences(_) => SESSIONS_TTL_MS,
    };
    if let Some(session) = session {
        set("session", text(session.as_str()));
    }
    set("ttl", ttl(last.at.plus_ms(kept_ms + DAY_MS)));
    Ok(item)
}

fn read(item: &Item) -> PortResult<Projection> {
    let session = match item.text_if("session")? {
        Some(id) => Some(SessionId::parse(id).ok_or_else(|| malformed("session"))?),
        None => None,
    };
    let id: EventId = item.parsed("last_id")?;
    Ok(Projection {
        version: item.number("version")?,
        session,
        last: Position { at: item.millis("last_at")?, id },
        state: unpacked_text(item, "body")?,
    })
}
