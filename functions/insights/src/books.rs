//! The books: what became of every event.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{Code, EventId, OrgId};
use ports::{accounts::Accounts, clock::Clock};

use crate::{Insights, parameters, problem::Refusal, query::Asking};

impl<W: Accounts, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn ledger(&self, asking: &Asking) -> Result<Response, Refusal> {
        let org = named(asking)?;
        let mut report = self.world.ledger(org.as_ref(), asking.now).await?;
        report.orgs.retain(|row| asking.caller.sees(&row.org));
        report.balanced = report.orgs.iter().all(|row| row.balanced);
        Ok(Json(report).into_response())
    }

    pub(crate) async fn whereabouts(&self, asking: &Asking) -> Result<Response, Refusal> {
        let org = named(asking)?;
        let id = asking.id.clone().unwrap_or_default();
        let id = EventId::parse(id).map_err(|_| Code::InvalidEventId)?;
        let mut found = self.world.whereabouts(&id.canonical(), org.as_ref()).await?;
        found.retain(|place| asking.caller.sees(&place.org));
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(Code::NotFound.into()),
            (Some(place), true) => Ok(Json(place).into_response()),
            // Several organisations know this id.
            (Some(_), false) => Err(Refusal::parameter(&parameters::ORG)),
        }
    }
}

/// The organisation that is asked about, if one is named; a foreign one is refused whether or not there is one.
fn named(asking: &Asking) -> Result<Option<OrgId>, Refusal> {
    let org = asking.query.org()?;
    if org.as_ref().is_none_or(|org| asking.caller.sees(org.as_str())) {
        Ok(org)
    } else {
        Err(Code::ForeignOrg.into())
    }
}
