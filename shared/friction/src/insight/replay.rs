//! Which events of an owner a session's replay holds.

use contract::{Timestamp, limits::SESSION_GAP_MS};

use crate::change::{SessionState, StoredSession};

/// A session's events, told from those of its owner's other sessions while they are read in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    from: Timestamp,
    /// Up to here the session is known.
    known_to: Timestamp,
    end: End,
}

/// Where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where it is known to.
    Known,
    /// At the first pause after that: more came than was worked up.
    Pause,
}

impl Replay {
    /// The replay of `stored`: of one that is open and was not cut, whatever follows without a pause belongs to it as well.
    #[must_use]
    pub fn of(stored: &StoredSession) -> Self {
        let session = &stored.session;
        let end = match stored.state {
            SessionState::Open if !session.bounds.cut_after => End::Pause,
            SessionState::Open | SessionState::Closed | SessionState::Superseded => End::Known,
        };
        Self { from: session.started_at, known_to: session.ended_at, end }
    }

    /// What follows `last` without a pause.
    #[must_use]
    pub fn going_on(last: Timestamp) -> Self {
        Self { from: last, known_to: last, end: End::Pause }
    }

    /// Where reading begins when only what comes after `after` is wanted. Where the end is not known it begins at the last
    /// event known to belong to it, so that a pause is noticed.
    #[must_use]
    pub fn reads_from(&self, after: Option<Timestamp>) -> Timestamp {
        let Some(after) = after else { return self.from };
        match self.end {
            End::Known => after.plus_ms(1).max(self.from),
            End::Pause => after.plus_ms(1).min(self.known_to).max(self.from),
        }
    }

    /// True when an event at `at` belongs to the session; `previous` is the event read before it, if there was one.
    #[must_use]
    pub fn holds(&self, previous: Option<Timestamp>, at: Timestamp) -> bool {
        let goes_on = match self.end {
            End::Known => false,
            End::Pause => {
                at.since_ms(previous.unwrap_or(self.known_to).max(self.known_to)) <= SESSION_GAP_MS
            }
        };
        self.from <= at && (at <= self.known_to || goes_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn replay(end: End) -> Replay {
        Replay { from: at(1_000), known_to: at(5_000), end }
    }

    #[test]
    fn a_closed_session_ends_where_it_ended() {
        let closed = replay(End::Known);
        for (ms, holds) in [(999, false), (1_000, true), (5_000, true), (5_001, false)] {
            assert_eq!(closed.holds(Some(at(ms - 1)), at(ms)), holds, "{ms}");
        }
        assert_eq!(closed.reads_from(None), at(1_000));
        assert_eq!(closed.reads_from(Some(at(0))), at(1_000));
        assert_eq!(closed.reads_from(Some(at(9_000))), at(9_001));
    }

    #[test]
    fn an_open_session_goes_on_until_a_pause() {
        let open = replay(End::Pause);
        let pause = 5_000 + SESSION_GAP_MS;
        assert!(open.holds(None, at(pause)));
        assert!(!open.holds(None, at(pause + 1)));
        assert!(open.holds(Some(at(pause)), at(pause + SESSION_GAP_MS)));
        assert!(!open.holds(Some(at(pause)), at(pause + SESSION_GAP_MS + 1)));
        assert!(open.holds(Some(at(2_000)), at(3_000)));
        // Somebody who has seen what comes after the known end still notices the pause behind it.
        assert_eq!(open.reads_from(Some(at(9_000))), at(5_000));
        assert_eq!(open.reads_from(Some(at(2_000))), at(2_001));
    }
}
