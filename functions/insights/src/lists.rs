//! Sessions and incidents, newest first.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{
    Code, Timestamp,
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
    query::{About, Call, Orgs},
    unusual::unusual_of,
};

impl<W: Understanding + Sums, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn sessions(&self, call: &Call<Orgs>) -> Result<Response, Refusal> {
        let limit = call.query.count(&PAGE)?;
        let place = self.place(call)?;
        let (from, to) = call.times(place.as_ref())?;
        let after = known(place.map(|place| Some((place.at, SessionId::parse(&place.id)?))))?;
        let state = call.query.parsed(&parameters::STATE, SessionState::parse)?;
        let product = call.query.product()?;
        let mut sessions: Vec<StoredSession> = Vec::new();
        for org in call.org.each() {
            let span = Span { org: org.clone(), product: product.clone(), from, to };
            let query = SessionQuery { span, state, after: after.clone(), limit: limit + 1 };
            sessions.extend(self.world.sessions(&query).await?);
            newest(&mut sessions, limit + 1, |held| {
                (held.session.started_at, held.session.session_id.as_str())
            });
        }
        let is_last = sessions.len() <= limit;
        sessions.truncate(limit);
        let last = sessions.last().filter(|_| !is_last).map(|last| &last.session);
        let next_cursor = last.map(|last| {
            let id = last.session_id.to_string();
            self.next(call, (from, to), last.started_at, id)
        });
        let sessions = sessions.into_iter().map(view).collect();
        let page = SessionPage { asked: call.asked((from, to))?, sessions, next_cursor };
        Ok(Json(page).into_response())
    }

    pub(crate) async fn session(&self, call: &Call) -> Result<Response, Refusal> {
        let found = self.world.session(&call.org, &call.session_id()?).await?;
        let (_, stored) = found.ok_or(Code::NotFound)?;
        let unusual = unusual_of(&self.world, &stored.session).await?;
        Ok(Json(SessionView { unusual, ..view(stored) }).into_response())
    }

    pub(crate) async fn incidents(&self, call: &Call<Orgs>) -> Result<Response, Refusal> {
        let limit = call.query.count(&PAGE)?;
        let place = self.place(call)?;
        let (from, to) = call.times(place.as_ref())?;
        let after = place.map(|place| (place.at, place.id));
        let rule = call.query.parsed(&parameters::RULE, Rule::parse)?;
        let session = call.query.parsed(&parameters::SESSION, SessionId::parse)?;
        let product = call.query.product()?;
        let mut found: Vec<Incident> = Vec::new();
        for org in call.org.each() {
            let span = Span { org: org.clone(), product: product.clone(), from, to };
            let (session, after) = (session.clone(), after.clone());
            let query = IncidentQuery { span, rule, session, after, limit: limit + 1 };
            let page = self.world.incidents(&query).await?;
            found.extend(page.into_iter().map(|StoredIncident { incident, .. }| incident));
            newest(&mut found, limit + 1, |one| (one.started_at, one.incident_id.as_str()));
        }
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let last = found.last().filter(|_| !is_last);
        let next_cursor =
            last.map(|last| self.next(call, (from, to), last.started_at, last.incident_id.clone()));
        let page = IncidentPage { asked: call.asked((from, to))?, incidents: found, next_cursor };
        Ok(Json(page).into_response())
    }
}

/// Keeps the newest of what several organisations have, in the order in which each of them is listed.
fn newest<T>(found: &mut Vec<T>, limit: usize, place: impl Fn(&T) -> (Timestamp, &str)) {
    found.sort_by(|a, b| place(b).cmp(&place(a)));
    found.truncate(limit);
}

impl<W, C, E> Insights<W, C, E> {
    /// Where the page that is asked for begins; nothing for the first one.
    pub(crate) fn place(&self, call: &Call<impl About>) -> Result<Option<Place>, Refusal> {
        let cursor = call.query.text(&CURSOR);
        let place = cursor.map(|text| self.cursors.open(&call.bound(), text)).transpose()?;
        Ok(place)
    }

    fn next(
        &self,
        call: &Call<impl About>,
        (from, to): (Timestamp, Timestamp),
        at: Timestamp,
        id: String,
    ) -> String {
        self.cursors.seal(&call.bound(), &Place { from, to, at, id })
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
