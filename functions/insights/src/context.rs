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

    pub(crate) async fn context_of(
        &self,
        org: &OrgId,
        id: &SessionId,
    ) -> PortResult<Option<SessionContext>> {
        Ok(context_of(&self.world, org, id).await?.map(|(_, context)| context))
    }
}

/// What the session `id` of `org` is about by every event that is in the log, and whose it is: a projection is where reading
/// begins, never the answer itself. Only an event that came late waits for the projector, which alone can read it in its
/// place.
///
/// # Errors
/// The world cannot be read.
pub async fn context_of<W: Understanding + EventLog + Projections>(
    world: &W,
    org: &OrgId,
    id: &SessionId,
) -> PortResult<Option<(Owner, SessionContext)>> {
    let Some((owner, projection)) = world.context(org, id).await? else {
        return projected(world, org, id).await;
    };
    // A state that this build cannot go on with is as good as none.
    let Ok(mut state) = serde_json::from_str::<ContextState>(&projection.state) else {
        return projected(world, org, id).await;
    };
    let replay = Replay::going_on(projection.last.at);
    read_on(world, &owner, replay, Some(projection.last), &mut state).await?;
    let context = state.context(&owner, id);
    Ok(Some((owner, context)))
}

/// The same from the first event of a session that is known.
async fn projected<W: Understanding + EventLog>(
    world: &W,
    org: &OrgId,
    id: &SessionId,
) -> PortResult<Option<(Owner, SessionContext)>> {
    let Some((owner, stored)) = world.session(org, id).await? else { return Ok(None) };
    let mut state = ContextState::default();
    read_on(world, &owner, Replay::of(&stored), None, &mut state).await?;
    let context = state.context(&owner, id);
    Ok(Some((owner, context)))
}

async fn read_on(
    log: &impl EventLog,
    owner: &Owner,
    replay: Replay,
    place: Option<Position>,
    state: &mut ContextState,
) -> PortResult<()> {
    let from = replay.reads_from(None);
    walk(log, owner, (replay, from, place), CHUNK_EVENTS, |event| {
        // They come in order: each is folded.
        state.fold(&event);
        Walk::On
    })
    .await
}

/// Events in one read.
const CHUNK_EVENTS: usize = 500;
