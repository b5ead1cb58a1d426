//! What projectors made of events so far.

use contract::{OrgId, session::SessionId};
use friction::owner::{Owner, Position};

use crate::{PortResult, reference::Subject};

/// What a projection is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projected {
    /// The newest session of an owner.
    Context(Owner),
    /// A person.
    Preferences(Subject),
    /// Whose preferences hold something of an owner.
    Persons(Owner),
}

/// What was made of events so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The version that it has, or that it is to replace; 0 when there is none yet.
    pub version: u64,
    /// The session it is about; nothing where it is about persons.
    pub session: Option<SessionId>,
    /// The last event that was read.
    pub last: Position,
    /// What the projector goes on with, as JSON.
    pub state: String,
}

/// What became of a projection that was to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveOutcome {
    /// It is durable, under a higher version.
    Saved,
    /// Somebody else saved meanwhile: nothing was written. Load again.
    Stale,
}

/// Projections.
pub trait Projections: Send + Sync {
    /// The projection about `projected`. Strongly consistent.
    fn load(
        &self,
        projected: &Projected,
    ) -> impl Future<Output = PortResult<Option<Projection>>> + Send;

    /// Saves what replaces the projection of `projection.version`. Repeating a save answers `Stale` and changes nothing.
    fn save(
        &self,
        projected: &Projected,
        projection: Projection,
    ) -> impl Future<Output = PortResult<SaveOutcome>> + Send;

    /// The context of a session of `org`, and whose it is; nothing when its owner's newest session is another. May be a
    /// moment old.
    fn context(
        &self,
        org: &OrgId,
        session: &SessionId,
    ) -> impl Future<Output = PortResult<Option<(Owner, Projection)>>> + Send;
}
