//! What a session is about: what a projector made of it, and what came since.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{Code, OrgId, projection::SessionContext, session::SessionId};
use friction::{
    context::ContextState,
    insight::Replay,
    owner::{Owner, Position},
};
use ports::{
    PortResult,
    clock::Clock,
    projections::Projections,
    sessions::{EventLog, Understanding},
};

use crate::{
    Insights,
    problem::Refusal,
    query::Call,
    replay::{Walk, walk},
};

impl<W: Understanding + EventLog + Projections, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn context(&self, call: &Call) -> Result<Response, Refusal> {
        let found = self.context_of(&call.org, &call.session_id()?).await?;
        Ok(Json(found.ok_or(Code::NotFound)?).into_response())
    }

    /// What the session `id` of `org` is about by every event that is in the log: a projection is where reading begins,
    /// never the answer itself. Only an event that came late waits for the projector, which alone can read it in its place.
    pub(crate) async fn context_of(
        &self,
        org: &OrgId,
        id: &SessionId,
    ) -> PortResult<Option<SessionContext>> {
        let (owner, mut state, replay, place) = match self.world.context(org, id).await? {
            Some((owner, projection)) => {
                let Position { at, .. } = projection.last;
                // A state that this build cannot go on with is as good as none.
                match serde_json::from_str::<ContextState>(&projection.state) {
                    Ok(state) => (owner, state, Replay::going_on(at), Some(projection.last)),
                    Err(_) => return self.projected(org, id).await,
                }
            }
            None => return self.projected(org, id).await,
        };
        self.read_on(&owner, replay, place, &mut state).await?;
        Ok(Some(state.context(&owner, id)))
    }

    /// The same from the first event of a session that is known.
    async fn projected(&self, org: &OrgId, id: &SessionId) -> PortResult<Option<SessionContext>> {
        let Some((owner, stored)) = self.world.session(org, id).await? else { return Ok(None) };
        let mut state = ContextState::default();
        self.read_on(&owner, Replay::of(&stored), None, &mut state).await?;
        Ok(Some(state.context(&owner, id)))
    }

    async fn read_on(
        &self,
        owner: &Owner,
        replay: Replay,
        place: Option<Position>,
        state: &mut ContextState,
    ) -> PortResult<()> {
        let from = replay.reads_from(None);
        walk(&self.world, owner, (replay, from, place), CHUNK_EVENTS, |event| {
            // They come in order: each is folded.
            state.fold(&event);
            Walk::On
        })
        .await
    }
}

/// Events in one read.
const CHUNK_EVENTS: usize = 500;
