//! Who listens to a session's context from afar, what each was told, and the way to them.
//!
//! A listener is told whole contexts, so that the last message makes up for those before it. Two that tell one listener at
//! once could leave it with the older context: whoever tells it takes the turn first, and whoever finds the turn taken leaves
//! a note, upon which the holder looks again. While a turn is held nobody knows what the listener was told: a holder that
//! dies leaves a listener who is told again.

use std::collections::BTreeSet;

use contract::{Timestamp, session::SessionId};
use friction::owner::Owner;

use crate::PortResult;

/// Somebody who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Names the connection.
    pub connection: String,
    /// Whose session it is.
    pub owner: Owner,
    /// The session.
    pub session: SessionId,
    /// The key that it was opened with, by its id alone: it may be revoked meanwhile.
    pub key_id: String,
    /// The `lastSeq` that whoever listens has seen already.
    pub seen: Option<String>,
    /// What was told last, as its digest; nothing while nobody knows.
    pub told: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
}

/// Those who listen.
pub trait Watches: Send + Sync {
    /// Keeps `watch`. Keeping it again replaces it.
    fn watch(&self, watch: &Watch) -> impl Future<Output = PortResult<()>> + Send;

    /// Forgets the watch of `connection`, if there is one.
    fn unwatch(&self, connection: &str) -> impl Future<Output = PortResult<()>> + Send;

    /// The watch of `connection`. Strongly consistent.
    fn watch_of(&self, connection: &str) -> impl Future<Output = PortResult<Option<Watch>>> + Send;
}

/// Whose sessions are listened to.
pub trait Watched: Send + Sync {
    /// Every owner with a watch that goes on after `now`. May be some seconds old, and may name owners whom nobody listens
    /// to any more.
    fn watched(&self, now: Timestamp) -> impl Future<Output = PortResult<BTreeSet<Owner>>> + Send;

    /// The watches of `owner`, by connection. Strongly consistent.
    fn watches(&self, owner: &Owner) -> impl Future<Output = PortResult<Vec<Watch>>> + Send;
}

/// The right to tell a listener something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Names it, and nothing else.
    pub name: String,
    /// What was told last before this turn, as its digest; nothing when nobody knows.
    pub told: Option<String>,
    /// What the listener said it had seen, if this is the first turn since.
    pub seen: Option<String>,
}

/// What became of asking for a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// It is ours.
    Taken(Turn),
    /// Somebody else has it, and finds a note that there may be more to tell.
    Noted,
    /// Nobody listens there any more.
    Gone,
}

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is over.
    Done,
    /// It goes on: a note was left in it, which is taken out. Look again.
    Noted,
    /// It was over before, and somebody else may have told something since: nobody knows what was told last.
    Lost,
}

/// Turns at telling.
pub trait Turns: Send + Sync {
    /// Takes the turn at telling the listener of `watch` until `until`, unless somebody has it at `now`. From here on nobody
    /// knows what was told, nor what had been seen.
    fn take_turn(
        &self,
        watch: &Watch,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = PortResult<Taking>> + Send;

    /// Ends a turn in which `told` was told; nothing when nobody knows. While a note is in it, it does not end.
    fn end_turn(
        &self,
        watch: &Watch,
        turn: &Turn,
        told: Option<&str>,
    ) -> impl Future<Output = PortResult<Ending>> + Send;
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It is on its way.
    Taken,
    /// Nobody listens there: not any more, or not yet.
    Gone,
}

/// The way to listeners.
pub trait Listeners: Send + Sync {
    /// Hands `text` to whoever listens at `connection`. Repeating it may hand it over twice.
    fn post(&self, connection: &str, text: &str)
    -> impl Future<Output = PortResult<Posted>> + Send;

    /// Hangs up on whoever listens at `connection`, if anybody does.
    fn hang_up(&self, connection: &str) -> impl Future<Output = PortResult<()>> + Send;
}
