//! What a sweep keeps beside sessions: what the newest session is about, and what persons did in those that are over.
//!
//! It is kept before the sweep is committed. So whoever reads a head, and then what is kept, finds in it everything that was
//! worked up when the head was read; and what could not be kept leaves its owner to be looked at again.

use std::collections::BTreeSet;

use contract::{Event, Family, Timestamp, session::SessionId};
use friction::{
    change::Sweep,
    context::{ContextState, KeptContext},
    owner::{Owner, Position, actor_slot},
    preferences::{KnownPersons, OwnersUses, PreferencesState},
    split::Segment,
};
use futures::lock::Mutex;
use ports::{
    PortResult,
    clock::Clock,
    projections::{Projected, Projection, Projections, SaveOutcome},
    reference::Subject,
};
use serde::de::DeserializeOwned;

use crate::Sessionizer;

/// What is to be kept of an owner.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// Everything from here on was read, or is left to the next sweep.
    pub(crate) from: Timestamp,
    /// Version of the head that was read before.
    pub(crate) head: u64,
    /// The newest session of which something is told.
    pub(crate) about: Option<About>,
    pub(crate) uses: OwnersUses,
}

/// What a session is about.
#[derive(Debug)]
pub(crate) struct About {
    id: SessionId,
    state: ContextState,
}

/// Whose turn it is to change somebody's preferences: owners who are looked at side by side may be one person's.
#[derive(Debug)]
pub(crate) struct Turns([Mutex<()>; TURNS]);

impl Turns {
    fn of(&self, actor: &str) -> &Mutex<()> {
        let [first, ..] = &self.0;
        self.0.get(usize::from(actor_slot(actor))).unwrap_or(first)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl About {
    /// What the session of `segment` is about, if something in it tells.
    pub(crate) fn of(owner: &Owner, segment: &Segment) -> Option<Self> {
        let tells = |event: &Event| event.event_type.family() == Family::Knowledge;
        let first = segment.first().filter(|_| segment.events.iter().any(tells))?;
        let mut state = ContextState::default();
        // As whoever reads the log folds them.
        for event in segment.logged() {
            state.fold(event);
        }
        state.is_telling().then(|| Self { id: owner.session_id(&first), state })
    }
}

impl Keeping {
    /// The sweep, but its owner is looked at again soon.
    pub(crate) fn again(&self, mut sweep: Sweep, now: Timestamp) -> Sweep {
        let due_at = now.plus_ms(AGAIN_MS);
        sweep.dirty_from = Some(sweep.dirty_from.map_or(self.from, |from| from.min(self.from)));
        sweep.due_at = Some(sweep.due_at.map_or(due_at, |due| due.min(due_at)));
        sweep
    }
}

impl<W: Projections, C: Clock> Sessionizer<W, C> {
    /// Keeps what is to be kept; false when not all of it could be. A sweep does not depend on it.
    pub(crate) async fn keep(&self, owner: &Owner, keeping: &Keeping, turns: &Turns) -> bool {
        match self.keep_all(owner, keeping, turns).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!("kept less than was read: others were quicker at every try");
                false
            }
            Err(error) => {
                tracing::warn!(port.operation = error.operation, %error, "kept less than was read: {error}");
                false
            }
        }
    }

    async fn keep_all(&self, owner: &Owner, keeping: &Keeping, turns: &Turns) -> PortResult<bool> {
        let mut all = self.keep_context(owner, keeping).await?;
        let Some(known) = self.know_persons(owner, keeping).await? else { return Ok(false) };
        let persons: BTreeSet<&str> =
            keeping.uses.persons().chain(known.since(keeping.from)).collect();
        for actor in persons {
            let _turn = turns.of(actor).lock().await;
            all &= self.keep_preferences(owner, actor, &keeping.uses).await?;
        }
        Ok(all)
    }

    /// Everybody whose preferences may hold something of this owner, those who come now among them; nothing when others were
    /// quicker. They are known before anything of them is kept, so that nobody is forgotten.
    async fn know_persons(
        &self,
        owner: &Owner,
        keeping: &Keeping,
    ) -> PortResult<Option<KnownPersons>> {
        let about = Projected::Persons(owner.clone());
        let frozen = self.clock.now().plus_ms(-self.policy.frozen_ms);
        for _ in 0..TRIES {
            let held = self.world.load(&about).await?;
            let mut known: KnownPersons = state_of(held.as_ref()).unwrap_or_default();
            let Some(last) = known.learn(&keeping.uses, frozen) else { return Ok(Some(known)) };
            // It is kept for as long as what is said of any of them may change.
            let last = held.as_ref().map_or(last.clone(), |held| held.last.clone().max(last));
            let state = serde_json::to_string(&known).unwrap_or_default();
            let new = projection(held.as_ref(), None, last, state);
            if self.world.save(&about, new).await? == SaveOutcome::Saved {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// What the newest session is about. Where nothing in what was read tells it any more, what was kept of it is nobody's.
    async fn keep_context(&self, owner: &Owner, keeping: &Keeping) -> PortResult<bool> {
        let about = Projected::Context(owner.clone());
        let held = self.world.load(&about).await?;
        let by: Option<KeptContext> = state_of(held.as_ref());
        // Whoever read a later head read at least as much, and found the same or a newer session.
        if by.is_some_and(|by| by.head > keeping.head) {
            return Ok(true);
        }
        let (session, last, state) = match &keeping.about {
            Some(About { id, state }) => (Some(id.clone()), state.read().last(), state.clone()),
            None => {
                let is_gone =
                    |held: &&Projection| held.session.is_some() && held.last.at >= keeping.from;
                let gone = held.as_ref().filter(is_gone);
                (None, gone.map(|gone| gone.last.clone()), ContextState::default())
            }
        };
        let Some(last) = last else { return Ok(true) };
        let kept = KeptContext { head: keeping.head, state };
        // Names, times and numbers can always be written.
        let state = serde_json::to_string(&kept).unwrap_or_default();
        let new = projection(held.as_ref(), session, last, state);
        Ok(self.world.save(&about, new).await? == SaveOutcome::Saved)
    }

    async fn keep_preferences(
        &self,
        owner: &Owner,
        actor: &str,
        uses: &OwnersUses,
    ) -> PortResult<bool> {
        let Owner { org, product, .. } = owner.clone();
        let about = Projected::Preferences(Subject { org, product, actor: actor.to_owned() });
        // Sessions of one person may end together, swept by several.
        for _ in 0..TRIES {
            let held = self.world.load(&about).await?;
            let mut state: PreferencesState = state_of(held.as_ref()).unwrap_or_default();
            if !state.put(actor, uses) {
                return Ok(true);
            }
            // Of whom nothing is left, that is kept.
            let last = state.last().or(held.as_ref().map(|held| held.last.clone()));
            let Some(last) = last else { return Ok(true) };
            let state = serde_json::to_string(&state).unwrap_or_default();
            let new = projection(held.as_ref(), None, last, state);
            if self.world.save(&about, new).await? == SaveOutcome::Saved {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A state that this build cannot go on with is as good as none.
fn state_of<S: DeserializeOwned>(held: Option<&Projection>) -> Option<S> {
    serde_json::from_str(&held?.state).ok()
}

fn projection(
    held: Option<&Projection>,
    session: Option<SessionId>,
    last: Position,
    state: String,
) -> Projection {
    let version = held.map_or(0, |held| held.version);
    Projection { version, session, last, state }
}

/// Whoever is not saved meets another one who is, and of those there are as many as sweepers.
const TRIES: u32 = 32;
const TURNS: usize = 64;
/// When an owner is looked at again of whom not everything could be kept.
const AGAIN_MS: i64 = 10 * 60_000;
