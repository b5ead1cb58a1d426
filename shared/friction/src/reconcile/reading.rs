//! From where a sweep reads, and when it is too early to read again.

use contract::{Timestamp, session::Session};

use crate::{
    cells::Cells,
    change::{Head, SessionState, StoredSession, Sweep},
    owner::Owner,
    policy::SessionPolicy,
    split::Before,
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
    // Where a sweep did not come to the end, open sessions may lie before what is left.
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
    let there = || stored.iter().filter(|held| held.state != SessionState::Superseded);
    let touched = || {
        there().filter(|held| {
            held.session.started_at <= dirty_from
                && held.session.ended_at >= dirty_from.plus_ms(-policy.gap_ms)
        })
    };
    let started = |held: &StoredSession| held.session.started_at;
    // Everything before `dirty_from` was worked up, and a cut depends on nothing behind it: the last one before stays. What
    // begins just then may be what a sweep that did not come to the end has left to be superseded.
    let is_cut = |held: &StoredSession| held.session.bounds.cut_before;
    let cuts = touched().filter(|held| is_cut(held) && started(held) < dirty_from);
    let from = cuts.map(started).max();
    let from = from.unwrap_or_else(|| touched().map(started).fold(dirty_from, Timestamp::min));
    // Nor does such a sweep come back by itself to what was open before.
    let is_over = |held: &&StoredSession| {
        held.state == SessionState::Open && policy.closes_at(held.session.ended_at) <= now
    };
    let from = there().filter(is_over).map(started).fold(from, Timestamp::min);
    // Of several that begin in one millisecond, the first may follow a pause.
    let mut begin = there().filter(|held| started(held) == from).peekable();
    let goes_on = from < dirty_from && begin.peek().is_some() && begin.all(is_cut);
    let first = Reading { from, before: if goes_on { Before::Cut } else { Before::Pause } };
    // What is frozen stays as it is, and its events are its own.
    let Some(frozen) = last_frozen(stored, policy, now) else { return first };
    let after = frozen.ended_at.plus_ms(1);
    let before = if frozen.bounds.cut_after { Before::Cut } else { Before::Pause };
    if after > first.from { Reading { from: after, before } } else { first }
}

/// The sweep that only looks again later at an owner with an open session of many events, where `stored` is what is stored
/// from [`stored_from`] on; nothing when it is to be looked at now.
///
/// Looking reads all that is open, so that looking as often at a long session as at a short one would cost the square of its
/// events. The pause grows with the events instead: of a session of n events that come r a second no more than about
/// `n · (1 + 100 / r)` are read in all.
#[must_use]
pub fn later(
    owner: &Owner,
    head: &Head,
    stored: &[StoredSession],
    (policy, now): (&SessionPolicy, Timestamp),
) -> Option<Sweep> {
    let open: Vec<&Session> = stored
        .iter()
        .filter(|held| held.state == SessionState::Open)
        .map(|held| &held.session)
        .collect();
    let (first, last) = (open.first()?, open.last()?);
    // What is news of earlier sessions does not wait, nor what a sweep left that did not come to the end. Everything before
    // `dirty_from` was read, unless something came late.
    let looked_at = first.started_at..=first.ended_at.plus_ms(1);
    let news = head.dirty_from.filter(|from| looked_at.contains(from))?;
    let read_to = news.max(last.ended_at).min(now);
    let events = open.iter().map(|session| u64::from(session.metrics.events)).sum();
    let due_at = read_to.plus_ms(policy.look_pause_ms(events));
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

/// True for a session that does not change any more: its events may be gone.
pub(super) fn is_frozen(held: &StoredSession, policy: &SessionPolicy, now: Timestamp) -> bool {
    held.state == SessionState::Closed && now.since_ms(held.session.started_at) > policy.frozen_ms
}

/// The last of the sessions that do not change any more.
pub(super) fn last_frozen<'a>(
    stored: &'a [StoredSession],
    policy: &SessionPolicy,
    now: Timestamp,
) -> Option<&'a Session> {
    let frozen = stored.iter().filter(|held| is_frozen(held, policy, now));
    frozen.map(|held| &held.session).max_by_key(|session| session.ended_at)
}
