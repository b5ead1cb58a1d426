//! What is stored of an owner against what its events say now: the changes that make the one the other.
//!
//! A sweep reads the head, what is stored and the events, in order and page by page: [`reading()`] says from where events are
//! needed, a [`Splitter`](crate::split::Splitter) makes segments of them, [`Work::take`] holds each against what is stored and
//! lets go of it, and [`Work::decide`] says what to commit. When there is as much to commit as goes into one commit
//! ([`Work::is_full`]), the rest is left to the next sweep. So what a sweep holds depends on the limits alone, not on how much
//! an owner sends. Nothing here depends on when or how often it runs, but what is open: it is what has not paused for long
//! enough at `now`.

mod notices;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, Timestamp, incident::Incident, session::SessionId};

pub use self::reading::{Reading, later, reading, stored_from};
use self::reading::{is_frozen, last_frozen};
use crate::{
    cells::{self, Cells},
    change::{Head, SessionState, StoredIncident, StoredSession, Sweep},
    contribution::contribution,
    derive::{Baselines, Derived, derive},
    detect::{self, Ending},
    owner::Owner,
    policy::SessionPolicy,
    preferences::OwnersUses,
    rules::Rules,
    split::{Segment, cut_at_or_before, split},
};

/// A sweep's work on one owner.
#[derive(Debug)]
pub struct Work {
    owner: Owner,
    version: u64,
    reading: Reading,
    sessions: BTreeMap<SessionId, StoredSession>,
    incidents: BTreeMap<String, StoredIncident>,
    /// Stored sessions and incidents that are there, as they were or changed.
    staying: BTreeSet<SessionId>,
    found: BTreeSet<String>,
    steps: Vec<Step>,
    open: Vec<Open>,
    uses: OwnersUses,
    policy: SessionPolicy,
    now: Timestamp,
}

/// What to commit, and what persons did in the sessions that are over.
#[derive(Debug)]
pub struct Decided {
    /// What to commit.
    pub sweep: Sweep,
    /// Of all sessions that were read and are not left to the next sweep.
    pub uses: OwnersUses,
}

/// A session's change, and what it does to the cells.
#[derive(Debug)]
struct Change {
    to: StoredSession,
    from: Option<StoredSession>,
}

/// What is committed of one session, all of it together.
#[derive(Debug)]
struct Step {
    began: Timestamp,
    session: Option<Change>,
    incidents: Vec<StoredIncident>,
}

/// An open session, for the head.
#[derive(Debug)]
struct Open {
    began: Timestamp,
    dirty_from: Timestamp,
    due_at: Timestamp,
}

impl Work {
    /// The work on the events of `owner` from `reading.from` on, where `sessions` and `incidents` are stored.
    #[must_use]
    pub fn new(
        owner: Owner,
        head: &Head,
        reading: Reading,
        (sessions, incidents): (Vec<StoredSession>, Vec<StoredIncident>),
        (policy, now): (SessionPolicy, Timestamp),
    ) -> Self {
        let within = |at: Timestamp| at >= reading.from;
        let open = left_open(&sessions, reading.from, (&policy, now));
        Self {
            uses: OwnersUses::new(&owner, reading.from),
            owner,
            version: head.version,
            reading,
            sessions: sessions
                .into_iter()
                .filter(|held| within(held.session.started_at))
                .map(|held| (held.session.session_id.clone(), held))
                .collect(),
            incidents: incidents
                .into_iter()
                .filter(|held| within(held.incident.started_at))
                .map(|held| (held.incident.incident_id.clone(), held))
                .collect(),
            staying: BTreeSet::new(),
            found: BTreeSet::new(),
            steps: Vec::new(),
            open,
            policy,
            now,
        }
    }

    /// Takes the next segment, under `rules` and the baselines of its day.
    pub fn take(&mut self, segment: &Segment, rules: &Rules, usual: &Baselines) {
        let ending = self.ending(segment);
        let Some(derived) = derive(&self.owner, segment, ending, rules, usual) else { return };
        let Derived { session, incidents, actor_slot } = derived;
        let began = session.started_at;
        let is_open = self.is_open(segment);
        if is_open {
            let (dirty_from, due_at) = (self.dirty_from(segment), self.due_at(segment, rules));
            self.open.push(Open { began, dirty_from, due_at });
        } else {
            self.uses.add(&session.session_id, &segment.events);
        }
        let incidents = self.incident_changes(incidents);
        let state = if is_open { SessionState::Open } else { SessionState::Closed };
        let session =
            self.change(StoredSession { session, revision: 0, state, actor_slot }, segment.last);
        if session.is_some() || !incidents.is_empty() {
            self.steps.push(Step { began, session, incidents });
        }
    }

    /// True when no more is to be taken: there is as much to commit as one commit takes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let incidents: usize = self.steps.iter().map(|step| step.incidents.len()).sum();
        self.steps.len() >= self.policy.changes_max || incidents >= self.policy.incidents_max
    }

    /// What to commit; `rest` is when the first session begins that was not taken, if there is one.
    #[must_use]
    pub fn decide(mut self, rest: Option<Timestamp>) -> Decided {
        let mut steps = std::mem::take(&mut self.steps);
        steps.extend(self.gone_sessions(rest));
        steps.sort_by_key(|step| step.began);
        let over = steps.get(self.policy.changes_max).map(|step| step.began);
        let rest = over.into_iter().chain(rest).min();
        if let Some(rest) = rest {
            // Those that begin together go together, so that the rest is a time; unless there are too many of them.
            let before = steps.partition_point(|step| step.began < rest);
            steps.truncate(if before == 0 { self.policy.changes_max } else { before });
        }
        let gone = self.gone_incidents(rest);
        self.decided(steps, gone, rest)
    }

    /// The same for one who has all events from `reading.from` on at hand, with the baselines of each day.
    #[must_use]
    pub fn decide_all(
        mut self,
        events: Vec<Event>,
        rules: &Rules,
        usual: &BTreeMap<Timestamp, Baselines>,
    ) -> Decided {
        let none = Baselines::new();
        let segments = split(events, self.reading.before, &self.policy);
        let begins = |segment: &Segment| segment.first().map(|first| first.at);
        for (taken, segment) in segments.iter().enumerate() {
            let usual = segment.day_with_tasks().and_then(|day| usual.get(&day));
            self.take(segment, rules, usual.unwrap_or(&none));
            if self.is_full() {
                return self.decide(segments.get(taken + 1).and_then(begins));
            }
        }
        self.decide(None)
    }

    fn is_open(&self, segment: &Segment) -> bool {
        self.policy.closes_at(segment.last) > self.now
    }

    /// How its events end: those of a session that was cut go on beyond the cut, and what is not decided by then is not
    /// decided in it.
    fn ending(&self, segment: &Segment) -> Ending {
        let bounds = segment.bounds;
        match segment.first().filter(|_| bounds.cut_after) {
            Some(_) if bounds.truncated => Ending::Open { now: segment.last },
            Some(first) => {
                let cut = cut_at_or_before(first.at, self.policy.cut_ms);
                Ending::Open { now: cut.plus_ms(self.policy.cut_ms) }
            }
            None if self.is_open(segment) => Ending::Open { now: self.now },
            None => Ending::Closed,
        }
    }

    /// What makes the stored session the one that was derived; nothing if it is told already.
    fn change(&mut self, derived: StoredSession, last: Timestamp) -> Option<Change> {
        let StoredSession { session, state, actor_slot, .. } = derived;
        let is_open = state == SessionState::Open;
        self.staying.insert(session.session_id.clone());
        if is_open {
            // What was closed and goes on is counted as it was until it is closed again.
            let closed = self.closed_within(session.started_at, last);
            if !closed.is_empty() {
                self.staying.extend(closed);
                return None;
            }
        }
        let held = self.sessions.get(&session.session_id);
        let is_told = held.is_some_and(|held| {
            held.state == state && held.session == session && held.actor_slot == actor_slot
        });
        let revision = held.map_or(0, |held| held.revision) + u32::from(!is_open);
        let to = StoredSession { session, revision, state, actor_slot };
        (!is_told).then(|| Change { to, from: held.cloned() })
    }

    /// Closed sessions that begin within a time.
    fn closed_within(&self, from: Timestamp, to: Timestamp) -> Vec<SessionId> {
        let inside = |held: &&StoredSession| {
            held.state == SessionState::Closed && (from..=to).contains(&held.session.started_at)
        };
        let inside = self.sessions.values().filter(inside);
        inside.map(|held| held.session.session_id.clone()).collect()
    }

    /// Incidents that are found or changed.
    fn incident_changes(&mut self, computed: Vec<Incident>) -> Vec<StoredIncident> {
        let mut changes = Vec::new();
        for incident in computed {
            let held = self.incidents.get(&incident.incident_id);
            if held.is_some() {
                self.found.insert(incident.incident_id.clone());
            }
            match held {
                Some(held) if !held.retracted && held.incident == incident => {}
                Some(held) => {
                    let revision = held.revision + u32::from(held.retracted);
                    changes.push(StoredIncident { incident, retracted: false, revision });
                }
                None => changes.push(StoredIncident { incident, retracted: false, revision: 1 }),
            }
        }
        changes
    }

    /// Sessions that turned out to be parts of others, those that began before `rest`.
    fn gone_sessions(&self, rest: Option<Timestamp>) -> Vec<Step> {
        let gone = self.sessions.values().filter(|held| {
            held.state != SessionState::Superseded
                && !self.staying.contains(&held.session.session_id)
                && is_before(rest, held.session.started_at)
                && !is_frozen(held, &self.policy, self.now)
        });
        gone.map(|held| {
            let revision = held.revision + u32::from(held.state == SessionState::Closed);
            let to = StoredSession { state: SessionState::Superseded, revision, ..held.clone() };
            let session = Some(Change { to, from: Some(held.clone()) });
            Step { began: held.session.started_at, session, incidents: Vec::new() }
        })
        .collect()
    }

    /// Incidents that turned out not to be ones, those that began before `rest`.
    fn gone_incidents(&self, rest: Option<Timestamp>) -> Vec<StoredIncident> {
        let gone = self.incidents.iter().filter(|(id, held)| {
            !held.retracted
                && is_before(rest, held.incident.started_at)
                && !self.found.contains(*id)
        });
        gone.map(|(_, held)| StoredIncident {
            incident: held.incident.clone(),
            retracted: true,
            revision: held.revision + 1,
        })
        .collect()
    }

    fn decided(
        self,
        steps: Vec<Step>,
        gone: Vec<StoredIncident>,
        rest: Option<Timestamp>,
    ) -> Decided {
        let (mut cells, mut notices) = (Cells::new(), Vec::new());
        let (mut sessions, mut incidents) = (Vec::new(), Vec::new());
        for step in steps {
            if let Some(change) = step.session {
                let old = change.from.as_ref().map(contribution).unwrap_or_default();
                cells::merge(&mut cells, &cells::difference(old, contribution(&change.to)));
                notices.extend(notices::of_session(&change, self.now));
                sessions.push(change.to);
            }
            incidents.extend(step.incidents);
        }
        incidents.extend(gone);
        let is_news = |told: &&StoredIncident| {
            let held = self.incidents.get(&told.incident.incident_id);
            held.map(|held| held.revision) != Some(told.revision)
        };
        let news = incidents.iter().filter(is_news);
        notices.extend(news.map(|told| notices::of_incident(told, self.now)));
        let open = || self.open.iter();
        let (dirty_from, due_at) = match rest {
            // What is open and not stored, because a part of it is counted as closed, is known by being dirty alone.
            Some(rest) => {
                let unknown = open().filter(|open| open.dirty_from == open.began);
                let unknown = unknown.map(|open| open.began).filter(|from| *from < rest);
                let from = unknown.min().unwrap_or(rest).max(self.reading.from);
                (Some(from), Some(self.now))
            }
            None => {
                (open().map(|open| open.dirty_from).min(), open().map(|open| open.due_at).min())
            }
        };
        // What goes on is what it was until it is closed again.
        let first_open = open().map(|open| open.began).filter(|began| *began >= self.reading.from);
        let uses = self.uses.until(first_open.chain(rest).min());
        let Self { owner, version, .. } = self;
        let sweep =
            Sweep { owner, version, sessions, incidents, cells, notices, dirty_from, due_at };
        Decided { sweep, uses }
    }

    /// From where a sweep that closes an open session reads, if nothing comes before. That its events until here are known
    /// can be told from what is stored: whatever is dirty before is news.
    fn dirty_from(&self, segment: &Segment) -> Timestamp {
        let first = segment.first().map_or(segment.last, |first| first.at);
        let is_stored = self.closed_within(first, segment.last).is_empty();
        if is_stored { segment.last.plus_ms(1) } else { first }
    }

    fn due_at(&self, segment: &Segment, rules: &Rules) -> Timestamp {
        let closes_at = self.policy.closes_at(segment.last);
        if segment.bounds.cut_after {
            // What is not decided at the cut is not decided later.
            return closes_at;
        }
        let timer = detect::next_timer(&rules.paths.cleaned(&segment.events), rules, self.now);
        timer.map_or(closes_at, |timer| timer.min(closes_at))
    }
}

/// Open sessions before `from`, where a sweep that did not come to the end went on. What is frozen hides those before it.
fn left_open(
    stored: &[StoredSession],
    from: Timestamp,
    (policy, now): (&SessionPolicy, Timestamp),
) -> Vec<Open> {
    let frozen = last_frozen(stored, policy, now);
    let left = stored.iter().filter(|held| {
        held.state == SessionState::Open
            && held.session.started_at < from
            && frozen.is_none_or(|frozen| held.session.started_at > frozen.ended_at)
    });
    left.map(|held| Open {
        began: held.session.started_at,
        dirty_from: held.session.ended_at.plus_ms(1),
        due_at: policy.closes_at(held.session.ended_at),
    })
    .collect()
}

fn is_before(rest: Option<Timestamp>, at: Timestamp) -> bool {
    rest.is_none_or(|rest| at < rest)
}
