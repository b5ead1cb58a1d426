//! What a session is about: what a projector made of it, and what came since.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{Code, OrgId, projection::SessionContext, session::SessionId};
use friction::{
    change::SessionState,
    context::{ContextState, KeptContext},
    insight::Replay,
    owner::{Owner, Position},
};
use ports::{
    PortResult,
    clock::Clock,
    projections::{Projected, Projections},
    sessions::{EventLog, Heads, Understanding},
};

use crate::{
    Insights,
    problem::Refusal,
    query::Call,
    replay::{Walk, walk},
};

impl<W: Understanding + EventLog + Heads + Projections, C: Clock, E> Insights<W, C, E> {
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

/// What the session `id` of `org` is about by every event that is in the log, and whose it is: what a sweeper kept is where
/// reading begins, never the answer itself. When something came that lies before, all is read again.
///
/// # Errors
/// The world cannot be read.
pub async fn context_of<W: Understanding + EventLog + Heads + Projections>(
    world: &W,
    org: &OrgId,
    id: &SessionId,
) -> PortResult<Option<(Owner, SessionContext)>> {
    let Some((owner, stored)) = world.session(org, id).await? else { return Ok(None) };
    // In this order: everything that was worked up when the head was read is in what is kept by then.
    let head = world.head(&owner).await?;
    let kept = world.load(&Projected::Context(owner.clone())).await?;
    let begun = kept.filter(|kept| kept.session.as_ref() == Some(id)).and_then(|kept| {
        let is_whole = head?.dirty_from.is_none_or(|dirty| dirty > kept.last.at);
        let is_within =
            stored.state == SessionState::Open || kept.last.at <= stored.session.ended_at;
        // A state that this build cannot go on with is as good as none.
        let by: KeptContext = serde_json::from_str(&kept.state).ok()?;
        (is_whole && is_within).then_some((by.state, kept.last))
    });
    let (mut state, place) =
        begun.map_or_else(Default::default, |(state, last)| (state, Some(last)));
    read_on(world, &owner, Replay::of(&stored), place, &mut state).await?;
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
