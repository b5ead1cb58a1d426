//! Sessions and incidents, newest first.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{
    Code,
    incident::{Incident, Rule},
    insights::pages::{self, IncidentPage, SessionPage, SessionView},
    session::SessionId,
};
use friction::change::{SessionState, StoredIncident, StoredSession};
use ports::{
    clock::Clock,
    sessions::{IncidentQuery, SessionQuery, Span, Sums, Understanding},
};

use crate::{
    Insights,
    cursor::Place,
    parameters::{self, CURSOR, PAGE},
    problem::Refusal,
    query::Call,
    unusual::unusual_of,
};

impl<W: Understanding + Sums, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn sessions(&self, call: &Call) -> Result<Response, Refusal> {
        let limit = call.query.count(&PAGE)?;
        let place = self.place(call)?;
        let span = call.span(place.as_ref())?;
        let after = place.map(|place| Some((place.at, SessionId::parse(&place.id)?)));
        let query = SessionQuery {
            span: span.clone(),
            state: call.query.parsed(&parameters::STATE, SessionState::parse)?,
            after: known(after)?,
            limit: limit + 1,
        };
        let mut sessions = self.world.sessions(&query).await?;
        let is_last = sessions.len() <= limit;
        sessions.truncate(limit);
        let last = sessions.last().filter(|_| !is_last).map(|last| &last.session);
        let next_cursor = last.map(|last| {
            let id = last.session_id.to_string();
            self.next(call, &span, last.started_at, id)
        });
        let sessions = sessions.into_iter().map(view).collect();
        Ok(Json(SessionPage { asked: call.asked(span), sessions, next_cursor }).into_response())
    }

    pub(crate) async fn session(&self, call: &Call) -> Result<Response, Refusal> {
        let found = self.world.session(&call.org, &call.session_id()?).await?;
        let (_, stored) = found.ok_or(Code::NotFound)?;
        let unusual = unusual_of(&self.world, &stored.session).await?;
        Ok(Json(SessionView { unusual, ..view(stored) }).into_response())
    }

    pub(crate) async fn incidents(&self, call: &Call) -> Result<Response, Refusal> {
        let limit = call.query.count(&PAGE)?;
        let place = self.place(call)?;
        let span = call.span(place.as_ref())?;
        let query = IncidentQuery {
            span: span.clone(),
            rule: call.query.parsed(&parameters::RULE, Rule::parse)?,
            session: call.query.parsed(&parameters::SESSION, SessionId::parse)?,
            after: place.map(|place| (place.at, place.id)),
            limit: limit + 1,
        };
        let mut found = self.world.incidents(&query).await?;
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let incidents: Vec<Incident> =
            found.into_iter().map(|StoredIncident { incident, .. }| incident).collect();
        let next_cursor = incidents
            .last()
            .filter(|_| !is_last)
            .map(|last| self.next(call, &span, last.started_at, last.incident_id.clone()));
        Ok(Json(IncidentPage { asked: call.asked(span), incidents, next_cursor }).into_response())
    }
}

impl<W, C, E> Insights<W, C, E> {
    /// Where the page that is asked for begins; nothing for the first one.
    pub(crate) fn place(&self, call: &Call) -> Result<Option<Place>, Refusal> {
        let cursor = call.query.text(&CURSOR);
        let place = cursor.map(|text| self.cursors.open(&call.bound(), text)).transpose()?;
        Ok(place)
    }

    fn next(&self, call: &Call, span: &Span, at: contract::Timestamp, id: String) -> String {
        self.cursors.seal(&call.bound(), &Place { from: span.from, to: span.to, at, id })
    }
}

/// What a place of ours names is there, or the cursor is none of ours.
fn known<T>(place: Option<Option<T>>) -> Result<Option<T>, Refusal> {
    place.map(|named| named.ok_or(Code::BadCursor.into())).transpose()
}

/// A session as it is told.
fn view(stored: StoredSession) -> SessionView {
    let StoredSession { session, revision, state: held, .. } = stored;
    SessionView { state: state(held), revision, session, unusual: None }
}

/// Where a session is, as it is told.
pub(crate) fn state(state: SessionState) -> pages::SessionState {
    match state {
        SessionState::Open => pages::SessionState::Open,
        SessionState::Closed => pages::SessionState::Closed,
        SessionState::Superseded => pages::SessionState::Superseded,
    }
}
