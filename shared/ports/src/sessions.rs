//! Events of sessions in order, and what is made of them.

use contract::{
    Event, OrgId, ProductId, Timestamp,
    incident::Rule,
    limits::{SESSION_CUT_MS, SESSION_GAP_MS},
    session::SessionId,
};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells, Totals},
    change::{Head, Notice, SessionState, StoredIncident, StoredSession, Sweep},
    owner::{Owner, Position},
};

use crate::PortResult;

/// An event for the log of its owner.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Whose.
    pub owner: Owner,
    /// The event.
    pub event: Event,
}

/// What was taken for an event of an owner and is none: its id belongs to another body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StruckEvent {
    /// Whose log it is in, or will be.
    pub owner: Owner,
    /// Where.
    pub position: Position,
    /// CRC-32C of its body at the door.
    pub ck: u32,
}

/// Every event of an owner, in the order of time.
pub trait EventLog: Send + Sync {
    /// Appends events. Appending one again (same owner, time, id and `ck`) changes nothing: the first body stays.
    fn append(&self, events: &[LoggedEvent]) -> impl Future<Output = PortResult<()>> + Send;

    /// Up to `limit` events of `owner` that are not struck out, in order, after `after` and not before `from`. Strongly
    /// consistent.
    fn read(
        &self,
        owner: &Owner,
        from: Timestamp,
        after: Option<&Position>,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Event>>> + Send;
}

/// What is taken back of logs.
pub trait Strikes: Send + Sync {
    /// Strikes events out of the logs of their owners: they are not read any more, whether they were appended before, are
    /// appended later or never. Their owners' heads are armed for `now`, as [`Arming::without`] says.
    fn strike(
        &self,
        events: &[StruckEvent],
        now: Timestamp,
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// That events came, and when somebody has to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arming {
    /// Whose.
    pub owner: Owner,
    /// Events at and after this time are new.
    pub dirty_from: Timestamp,
    /// When somebody has to look.
    pub due_at: Timestamp,
}

impl Arming {
    /// That an event is there no more. It may have been what made activity too long for one session, which then was cut
    /// before: from the last cut on that would be there without it, everything is as good as new.
    #[must_use]
    pub fn without(struck: &StruckEvent, now: Timestamp) -> Self {
        let StruckEvent { owner, position, .. } = struck;
        let dirty_from = position.at.plus_ms(-SESSION_CUT_MS).plus_ms(-SESSION_GAP_MS);
        Self { owner: owner.clone(), dirty_from, due_at: now }
    }
}

/// Who is to be looked at, and when.
pub trait Heads: Send + Sync {
    /// Raises the version of each head, lowers `dirty_from` and `due_at` to what is given where that is earlier (nothing
    /// counts as latest). Arming again raises the version again and changes nothing else.
    fn arm(&self, armings: &[Arming]) -> impl Future<Output = PortResult<()>> + Send;

    /// Up to `limit` owners of `lane` whose time has come, most overdue first. May be a moment old. Of `lanes` lanes each
    /// owner is in one, whatever `lanes` is.
    fn due(
        &self,
        lane: Lane,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = PortResult<Vec<Owner>>> + Send;

    /// The head of `owner`. Strongly consistent.
    fn head(&self, owner: &Owner) -> impl Future<Output = PortResult<Option<Head>>> + Send;
}

/// A part of all owners, so that several sweepers can share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane {
    /// Which one, from 0.
    pub index: u32,
    /// Of how many; a power of two up to 32.
    pub of: u32,
}

impl Lane {
    /// Most lanes that owners can be shared out to.
    pub const MAX: u8 = 32;
}

/// What became of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepOutcome {
    /// Everything is durable.
    Committed,
    /// Something came meanwhile: nothing was written. Read again.
    Stale,
}

/// What is stored of an owner.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored {
    /// Sessions in every state, by beginning.
    pub sessions: Vec<StoredSession>,
    /// Incidents, retracted ones included, by time.
    pub incidents: Vec<StoredIncident>,
}

/// Sessions and incidents of owners.
pub trait Sessions: Send + Sync {
    /// What is stored of `owner` that ended at `from` or later, posted or not. Strongly consistent.
    fn stored(
        &self,
        owner: &Owner,
        from: Timestamp,
    ) -> impl Future<Output = PortResult<Stored>> + Send;

    /// Commits a sweep: sessions, incidents, cells, notices and the head, all or nothing; `Stale` when the head is not of
    /// the sweep's version any more. Repeating a committed sweep answers `Stale` and changes nothing.
    fn commit(&self, sweep: Sweep) -> impl Future<Output = PortResult<SweepOutcome>> + Send;

    /// Posts what commits and amendments left in the part `lane` of the journal (a product is in one part; all parts together
    /// are the journal): from then on [`Sums`], [`Understanding`] and [`Notices`]
    /// show it. Each thing is posted once, whoever posts it and however often. A store that posts while it commits has
    /// nothing to do. Answers how many commits, or parts of them, were posted; 0: the journal is empty.
    fn post(&self, lane: Lane) -> impl Future<Output = PortResult<usize>> + Send;
}

/// Notices that were committed and not yet announced.
pub trait Notices: Send + Sync {
    /// Up to `limit` of them, those of one owner in the order of their commits.
    fn unsent(&self, limit: usize) -> impl Future<Output = PortResult<Vec<Notice>>> + Send;

    /// Announces them to whoever listens and forgets them. At least once: listeners recognise a repeat by its id. Where the
    /// way to them takes no fact of that size (256 KB), the largest parts of the detail are left out and named in its
    /// `omitted`: the notice's id says which session or incident to read, and in which revision.
    fn send(&self, notices: &[Notice]) -> impl Future<Output = PortResult<()>> + Send;
}

/// A time and who it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product; nothing for all of them.
    pub product: Option<ProductId>,
    /// From.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
}

/// Which sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionQuery {
    /// When they began.
    pub span: Span,
    /// In which state; nothing: open and closed.
    pub state: Option<SessionState>,
    /// Those that come after this one; newest come first.
    pub after: Option<(Timestamp, SessionId)>,
    /// At most so many.
    pub limit: usize,
}

/// Which incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    /// When they began.
    pub span: Span,
    /// Of which rule; nothing: of every rule.
    pub rule: Option<Rule>,
    /// Those of this session only.
    pub session: Option<SessionId>,
    /// Those that come after this one; newest come first.
    pub after: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: usize,
}

/// What all sessions of a day add up to.
pub trait Sums: Send + Sync {
    /// The cells of a kind whose day begins within the span, in no particular order.
    fn cells(
        &self,
        span: &Span,
        kind: CellKind,
    ) -> impl Future<Output = PortResult<Vec<(CellKey, Cell)>>> + Send;

    /// The same cells added up by name: what has one name is told under the key of one of them.
    fn totals(
        &self,
        span: &Span,
        kind: CellKind,
    ) -> impl Future<Output = PortResult<Vec<(CellKey, Cell)>>> + Send {
        async move { Ok(Totals::of(&self.cells(span, kind).await?).cells()) }
    }

    /// The products of an organisation with sessions that are counted, by name.
    fn products_of(&self, org: &OrgId) -> impl Future<Output = PortResult<Vec<ProductId>>> + Send;
}

/// Changes of cells that no session makes.
pub trait Amendments: Send + Sync {
    /// The products that have cells of the day that begins at `day`, in order.
    fn products(
        &self,
        day: Timestamp,
    ) -> impl Future<Output = PortResult<Vec<(OrgId, ProductId)>>> + Send;

    /// Adds `change` (cells of one organisation) to the cells, all of it or nothing, once for each `name`: false, and nothing
    /// is written, when that name was used in the last nine days. Visible as a commit is, see [`Sessions::post`].
    fn amend(&self, name: &str, change: &Cells) -> impl Future<Output = PortResult<bool>> + Send;
}

/// Single sessions and incidents. Retracted incidents and superseded sessions are not found by questions, a superseded
/// session is by its id.
pub trait Understanding: Send + Sync {
    /// Sessions, newest first.
    fn sessions(
        &self,
        query: &SessionQuery,
    ) -> impl Future<Output = PortResult<Vec<StoredSession>>> + Send;

    /// Incidents, newest first.
    fn incidents(
        &self,
        query: &IncidentQuery,
    ) -> impl Future<Output = PortResult<Vec<StoredIncident>>> + Send;

    /// A session of `org` by its id, and whose it is.
    fn session(
        &self,
        org: &OrgId,
        id: &SessionId,
    ) -> impl Future<Output = PortResult<Option<(Owner, StoredSession)>>> + Send;
}
