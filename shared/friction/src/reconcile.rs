//! What is stored of an owner against what its events say now: the changes that make the one the other.
//!
//! A sweep reads the head, what is stored and the events, in three steps: [`reading`] says from where events are needed,
//! [`Work::new`] splits them and says which baselines are needed, [`Work::decide`] says what to commit. Nothing here depends
//! on when or how often it runs, but what is open: it is what has not paused for long enough at `now`.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, Timestamp, incident::Incident, session::SessionId};
use serde_json::json;

use crate::{
    cells::{self, Cells},
    change::{Head, Notice, SessionState, StoredIncident, StoredSession, Sweep},
    contribution::contribution,
    derive::{Baselines, Derived, derive},
    detect::{self, Ending},
    owner::Owner,
    policy::SessionPolicy,
    preferences::OwnersUses,
    rules::Rules,
    split::{Before, Segment, cut_at_or_before, split},
};

/// From where a sweep reads events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Events at and after this time.
    pub from: Timestamp,
    /// What is known about the time before.
    pub before: Before,
}

/// From where what is stored of an owner is needed, for a head with news from `dirty_from` on.
#[must_use]
pub fn stored_from(dirty_from: Timestamp, policy: &SessionPolicy) -> Timestamp {
    // A truncated session says less than it lasted, but it does not last longer than a cut.
    dirty_from.plus_ms(-policy.gap_ms).plus_ms(-policy.cut_ms)
}

/// From where events are needed: from the beginning of the session that news from `dirty_from` on may change.
#[must_use]
pub fn reading(
    dirty_from: Timestamp,
    stored: &[StoredSession],
    policy: &SessionPolicy,
    now: Timestamp,
) -> Reading {
    let touched = |held: &&StoredSession| {
        held.state != SessionState::Superseded
            && held.session.started_at <= dirty_from
            && reach(held, policy) >= dirty_from.plus_ms(-policy.gap_ms)
    };
    let start = |held: &StoredSession| {
        let started = held.session.started_at;
        if held.session.bounds.cut_before {
            Reading { from: cut_at_or_before(started, policy.cut_ms), before: Before::Cut }
        } else {
            Reading { from: started, before: Before::Pause }
        }
    };
    let news = Reading { from: dirty_from, before: Before::Pause };
    let first = stored
        .iter()
        .filter(touched)
        .map(start)
        .fold(news, |a, b| if b.from <= a.from { b } else { a });
    // What is frozen stays as it is, and its events are its own.
    let frozen = stored.iter().filter(|held| is_frozen(held, policy, now));
    match frozen.map(|held| reach(held, policy).plus_ms(1)).max() {
        Some(after) if after > first.from => Reading { from: after, before: Before::Pause },
        Some(_) | None => first,
    }
}

/// The sweep that only looks again later at an owner with an open session of many events, where `stored` is what is stored
/// from [`stored_from`] on; nothing when it is to be looked at now.
///
/// Looking reads the whole session, so that looking as often at a long one as at a short one would cost the square of its
/// events. The pause grows with the events instead: of a session of n events that come r a second no more than about
/// `n · (1 + 100 / r)` are read in all.
#[must_use]
pub fn later(
    owner: &Owner,
    head: &Head,
    stored: &[StoredSession],
    (policy, now): (&SessionPolicy, Timestamp),
) -> Option<Sweep> {
    let open = stored.iter().rfind(|held| held.state == SessionState::Open)?;
    let pause_ms = policy.look_pause_ms(&open.session);
    // What is news of earlier sessions does not wait. Everything before `dirty_from` was read, unless something came late.
    let news = head.dirty_from.filter(|from| *from >= open.session.started_at)?;
    let read_to = news.max(open.session.ended_at).min(now);
    let due_at = read_to.plus_ms(pause_ms);
    (due_at > now).then(|| Sweep {
        owner: owner.clone(),
        version: head.version,
        sessions: Vec::new(),
        incidents: Vec::new(),
        cells: Cells::new(),
        notices: Vec::new(),
        dirty_from: head.dirty_from,
        due_at: Some(due_at),
    })
}

/// A sweep's work on one owner.
#[derive(Debug)]
pub struct Work {
    owner: Owner,
    version: u64,
    reading: Reading,
    segments: Vec<Segment>,
    sessions: Vec<StoredSession>,
    incidents: Vec<StoredIncident>,
    policy: SessionPolicy,
    now: Timestamp,
}

/// A session's change, and what it does to the cells.
struct Change {
    to: StoredSession,
    from: Option<StoredSession>,
}

impl Work {
    /// The work on `events` (all of `owner`'s from `reading.from` on), where `sessions` and `incidents` are stored.
    #[must_use]
    pub fn new(
        owner: Owner,
        head: &Head,
        reading: Reading,
        (sessions, incidents): (Vec<StoredSession>, Vec<StoredIncident>),
        events: Vec<Event>,
        (policy, now): (SessionPolicy, Timestamp),
    ) -> Self {
        let segments = split(events, reading.before, &policy);
        let within = |at: Timestamp| at >= reading.from;
        Self {
            owner,
            version: head.version,
            reading,
            segments,
            sessions: sessions.into_iter().filter(|held| within(held.session.started_at)).collect(),
            incidents: incidents
                .into_iter()
                .filter(|held| within(held.incident.started_at))
                .collect(),
            policy,
            now,
        }
    }

    /// The days on which sessions with tasks begin: their baselines are needed.
    #[must_use]
    pub fn days_with_tasks(&self) -> BTreeSet<Timestamp> {
        let with_tasks = self
            .segments
            .iter()
            .filter(|segment| segment.events.iter().any(|event| event.task.is_some()));
        with_tasks.filter_map(|segment| Some(segment.first()?.at.day())).collect()
    }

    /// The newest session: its id, and when it begins.
    #[must_use]
    pub fn newest(&self) -> Option<(SessionId, Timestamp)> {
        let first = self.segments.last()?.first()?;
        Some((self.owner.session_id(&first), first.at))
    }

    /// What persons did in the sessions that are over.
    #[must_use]
    pub fn uses(&self) -> OwnersUses {
        // What goes on is what it was until it is closed again.
        let open = self.segments.iter().find(|segment| self.is_open(segment));
        let until = open.and_then(|segment| Some(segment.first()?.at));
        let mut uses = OwnersUses::new(&self.owner, self.reading.from, until);
        for segment in self.segments.iter().filter(|segment| !self.is_open(segment)) {
            if let Some(first) = segment.first() {
                uses.add(&self.owner.session_id(&first), &segment.events);
            }
        }
        uses
    }

    /// What to commit, under `rules` and the baselines of each day.
    #[must_use]
    pub fn decide(self, rules: &Rules, baselines: &BTreeMap<Timestamp, Baselines>) -> Sweep {
        let none = Baselines::new();
        let derived: Vec<(bool, Derived)> = self
            .segments
            .iter()
            .filter_map(|segment| {
                let is_open = self.is_open(segment);
                let ending = self.ending(segment);
                let usual = baselines.get(&segment.first()?.at.day()).unwrap_or(&none);
                Some((is_open, derive(&self.owner, segment, ending, rules, usual)?))
            })
            .collect();
        let mut changes = self.changes(&derived);
        changes.sort_by_key(|change| change.to.session.started_at);
        let rest = changes.get(CHANGES_MAX).map(|change| change.to.session.started_at);
        if let Some(rest) = rest {
            // Those that begin together go together, so that the rest is a time.
            changes.retain(|change| change.to.session.started_at < rest);
        }
        let computed = derived.into_iter().flat_map(|(_, derived)| derived.incidents);
        let incidents = self.incident_changes(computed.collect(), rest);
        self.sweep(changes, incidents, rest, rules)
    }

    fn is_open(&self, segment: &Segment) -> bool {
        self.policy.closes_at(segment.last) > self.now
    }

    /// How its events end: those of a session that was cut go on beyond the cut, and what is not decided by then is not
    /// decided in it.
    fn ending(&self, segment: &Segment) -> Ending {
        match segment.first().filter(|_| segment.bounds.cut_after) {
            Some(first) => {
                let cut = cut_at_or_before(first.at, self.policy.cut_ms);
                Ending::Open { now: cut.plus_ms(self.policy.cut_ms) }
            }
            None if self.is_open(segment) => Ending::Open { now: self.now },
            None => Ending::Closed,
        }
    }

    fn changes(&self, derived: &[(bool, Derived)]) -> Vec<Change> {
        let stored: BTreeMap<&SessionId, &StoredSession> =
            self.sessions.iter().map(|held| (&held.session.session_id, held)).collect();
        let mut staying: BTreeSet<&SessionId> = BTreeSet::new();
        let mut changes = Vec::new();
        for (is_open, derived) in derived {
            let id = &derived.session.session_id;
            let held = stored.get(id).copied();
            staying.insert(id);
            if *is_open {
                // What was closed and goes on is counted as it was until it is closed again.
                let session = &derived.session;
                let closed = self.closed_within(session.started_at, session.ended_at);
                staying.extend(closed.iter().map(|held| &held.session.session_id));
                if !closed.is_empty() {
                    continue;
                }
            }
            let state = if *is_open { SessionState::Open } else { SessionState::Closed };
            let is_told = held.is_some_and(|held| {
                held.state == state
                    && held.session == derived.session
                    && held.actor_slot == derived.actor_slot
            });
            if !is_told {
                let revision = held.map_or(0, |held| held.revision) + u32::from(!is_open);
                let to = StoredSession {
                    session: derived.session.clone(),
                    revision,
                    state,
                    actor_slot: derived.actor_slot,
                };
                changes.push(Change { to, from: held.cloned() });
            }
        }
        let gone = self.sessions.iter().filter(|held| {
            held.state != SessionState::Superseded
                && !staying.contains(&held.session.session_id)
                && !is_frozen(held, &self.policy, self.now)
        });
        changes.extend(gone.map(|held| {
            let revision = held.revision + u32::from(held.state == SessionState::Closed);
            let to = StoredSession { state: SessionState::Superseded, revision, ..held.clone() };
            Change { to, from: Some(held.clone()) }
        }));
        changes
    }

    /// Closed sessions that begin within a time.
    fn closed_within(&self, from: Timestamp, to: Timestamp) -> Vec<&StoredSession> {
        let inside = |held: &&StoredSession| {
            held.state == SessionState::Closed && (from..=to).contains(&held.session.started_at)
        };
        self.sessions.iter().filter(inside).collect()
    }

    /// From where a sweep that closes an open session reads, if nothing comes before. That its events until here are known
    /// can be told from what is stored: whatever is dirty before is news.
    fn dirty_from(&self, segment: &Segment) -> Option<Timestamp> {
        let (first, last) = (segment.first()?.at, segment.events.last()?.occurred_at);
        let is_stored = self.closed_within(first, last).is_empty();
        Some(if is_stored { segment.last.plus_ms(1) } else { first })
    }

    /// Incidents that are found, changed or found not to be ones, those that began before `rest`.
    fn incident_changes(
        &self,
        computed: Vec<Incident>,
        rest: Option<Timestamp>,
    ) -> Vec<StoredIncident> {
        let stored: BTreeMap<&str, &StoredIncident> =
            self.incidents.iter().map(|held| (held.incident.incident_id.as_str(), held)).collect();
        let in_time = |at: Timestamp| rest.is_none_or(|rest| at < rest);
        let found: BTreeSet<String> =
            computed.iter().map(|incident| incident.incident_id.clone()).collect();
        let mut changes: Vec<StoredIncident> = Vec::new();
        for incident in computed.into_iter().filter(|incident| in_time(incident.started_at)) {
            match stored.get(incident.incident_id.as_str()) {
                Some(held) if !held.retracted && held.incident == incident => {}
                Some(held) => {
                    let revision = held.revision + u32::from(held.retracted);
                    changes.push(StoredIncident { incident, retracted: false, revision });
                }
                None => changes.push(StoredIncident { incident, retracted: false, revision: 1 }),
            }
        }
        let gone = self.incidents.iter().filter(|held| {
            !held.retracted
                && in_time(held.incident.started_at)
                && !found.contains(&held.incident.incident_id)
        });
        changes.extend(gone.map(|held| StoredIncident {
            incident: held.incident.clone(),
            retracted: true,
            revision: held.revision + 1,
        }));
        changes
    }

    fn sweep(
        self,
        changes: Vec<Change>,
        incidents: Vec<StoredIncident>,
        rest: Option<Timestamp>,
        rules: &Rules,
    ) -> Sweep {
        let mut cells = Cells::new();
        let mut notices = Vec::new();
        for change in &changes {
            let old = change.from.as_ref().map(contribution).unwrap_or_default();
            cells::merge(&mut cells, &cells::difference(old, contribution(&change.to)));
            notices.extend(session_notice(change, self.now));
        }
        let held: BTreeMap<&str, u32> = self
            .incidents
            .iter()
            .map(|held| (held.incident.incident_id.as_str(), held.revision))
            .collect();
        let is_news = |told: &&StoredIncident| {
            held.get(told.incident.incident_id.as_str()) != Some(&told.revision)
        };
        notices
            .extend(incidents.iter().filter(is_news).map(|told| incident_notice(told, self.now)));
        let open = || self.segments.iter().filter(|segment| self.is_open(segment));
        let (dirty_from, due_at) = match rest {
            Some(rest) => (Some(rest.max(self.reading.from)), Some(self.now)),
            None => (
                open().filter_map(|segment| self.dirty_from(segment)).min(),
                open().map(|segment| self.due_at(segment, rules)).min(),
            ),
        };
        Sweep {
            owner: self.owner,
            version: self.version,
            sessions: changes.into_iter().map(|change| change.to).collect(),
            incidents,
            cells,
            notices,
            dirty_from,
            due_at,
        }
    }

    fn due_at(&self, segment: &Segment, rules: &Rules) -> Timestamp {
        let closes_at = self.policy.closes_at(segment.last);
        let timer = detect::next_timer(&rules.paths.cleaned(&segment.events), rules, self.now);
        timer.map_or(closes_at, |timer| timer.min(closes_at))
    }
}

/// True for a session that does not change any more: its events may be gone.
fn is_frozen(held: &StoredSession, policy: &SessionPolicy, now: Timestamp) -> bool {
    held.state == SessionState::Closed && now.since_ms(held.session.started_at) > policy.frozen_ms
}

/// Until when a session may have events.
fn reach(held: &StoredSession, policy: &SessionPolicy) -> Timestamp {
    if held.session.bounds.truncated {
        held.session.started_at.plus_ms(policy.cut_ms)
    } else {
        held.session.ended_at
    }
}

fn session_notice(change: &Change, now: Timestamp) -> Option<Notice> {
    let StoredSession { session, revision, state, actor_slot } = &change.to;
    let was_counted = |held: &&StoredSession| held.state == SessionState::Closed;
    let old = change.from.as_ref().filter(was_counted).map(|held| &held.session);
    let kind = match state {
        SessionState::Open => return None,
        SessionState::Closed => "session.closed",
        SessionState::Superseded => {
            old?;
            "session.superseded"
        }
    };
    let new = (*state == SessionState::Closed).then_some(session);
    Some(Notice {
        id: format!("session:{}:{revision}", session.session_id),
        kind: kind.to_owned(),
        org: session.org_id.clone(),
        at: now,
        detail: json!({
            "sessionId": session.session_id, "revision": revision, "session": new, "before": old,
            "actorSlot": actor_slot,
        })
        .to_string(),
    })
}

fn incident_notice(told: &StoredIncident, now: Timestamp) -> Notice {
    let incident = &told.incident;
    let kind = if told.retracted {
        "incident.retracted".to_owned()
    } else {
        format!("incident.{}", incident.rule)
    };
    Notice {
        id: format!("incident:{}:{}", incident.incident_id, told.revision),
        kind,
        org: incident.org_id.clone(),
        at: now,
        detail: json!({ "revision": told.revision, "incident": incident }).to_string(),
    }
}

/// Most sessions that one sweep changes.
const CHANGES_MAX: usize = 45;
