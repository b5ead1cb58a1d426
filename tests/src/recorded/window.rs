//! Where recorded sessions are put on the calendar: into the days before an anchor.

use contract::{Timestamp, limits::DAY_MS};

/// The days before an anchor, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    first: Timestamp,
    anchor: Timestamp,
}

/// What a source recorded in one session, on the source's own clock, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first event.
    pub first_ms: i64,
    /// The last event.
    pub last_ms: i64,
}

/// A session is longer than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session of {session_ms} ms does not fit into a window of {window_ms} ms")]
pub struct DoesNotFit {
    session_ms: i64,
    window_ms: i64,
}

impl Window {
    /// The `days` days before `anchor`.
    #[must_use]
    pub fn before(anchor: Timestamp, days: u8) -> Self {
        Self { first: anchor.plus_ms(-i64::from(days) * DAY_MS), anchor }
    }

    /// The earliest instant that an event may have.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        self.first
    }

    /// The latest instant that an event may have.
    #[must_use]
    pub fn anchor(&self) -> Timestamp {
        self.anchor
    }

    /// Per session, what to add to its times (ms) when the source has a clock: gaps within a session stay exact. A
    /// source that fits is moved as a whole, its last event to the anchor, so the gaps between sessions stay exact too.
    /// A longer one keeps the order in which sessions begin and squeezes the time between those beginnings.
    pub fn place(&self, sessions: &[Span]) -> Result<Vec<i64>, DoesNotFit> {
        let starts = || sessions.iter().map(|session| session.first_ms);
        let (Some(first), Some(last_start)) = (starts().min(), starts().max()) else {
            return Ok(Vec::new());
        };
        let last = sessions.iter().map(|session| session.last_ms).max().unwrap_or(last_start);
        if last - first <= self.length_ms() {
            return Ok(vec![self.anchor.ms() - last; sessions.len()]);
        }
        let room = self.room_ms(sessions)?;
        let offset = |session: &Span| {
            self.first.ms() + scaled(session.first_ms - first, room, last_start - first)
        };
        Ok(sessions.iter().map(|session| offset(session) - session.first_ms).collect())
    }

    /// Per session, what to add to its times (ms) when the source has no clock: the beginnings are evenly spread, in the
    /// order given.
    pub fn spread(&self, sessions: &[Span]) -> Result<Vec<i64>, DoesNotFit> {
        let room = self.room_ms(sessions)?;
        let slots = i64::try_from(sessions.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        let start = |slot| self.first.ms() + scaled(slot, room, slots);
        Ok((0..).zip(sessions).map(|(slot, session)| start(slot) - session.first_ms).collect())
    }

    fn length_ms(&self) -> i64 {
        self.anchor.since_ms(self.first)
    }

    /// How far apart two beginnings may lie while the longest session still ends before the anchor.
    fn room_ms(&self, sessions: &[Span]) -> Result<i64, DoesNotFit> {
        let session_ms =
            sessions.iter().map(|session| session.last_ms - session.first_ms).max().unwrap_or(0);
        let window_ms = self.length_ms();
        if session_ms > window_ms {
            return Err(DoesNotFit { session_ms, window_ms });
        }
        Ok(window_ms - session_ms)
    }
}

/// `part · room / whole`, without overflow; `whole` > 0.
fn scaled(part: i64, room: i64, whole: i64) -> i64 {
    let exact = i128::from(part) * i128::from(room) / i128::from(whole);
    i64::try_from(exact).unwrap_or(room)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_that_fits_moves_as_a_whole() {
        let window = Window::before(anchor(), 25);
        let sessions = [span(0, 5), span(DAY_MS, DAY_MS + 7)];
        let offset = anchor().ms() - DAY_MS - 7;
        assert_eq!(window.place(&sessions), Ok(vec![offset, offset]));
    }

    #[test]
    fn a_session_longer_than_the_window_is_refused() {
        let window = Window::before(anchor(), 1);
        assert!(window.place(&[span(0, DAY_MS + 1)]).is_err());
        assert!(window.spread(&[span(0, DAY_MS + 1)]).is_err());
        assert!(window.spread(&[span(0, DAY_MS)]).is_ok());
    }

    proptest! {
        #[test]
        fn everything_lies_in_the_window_and_sessions_keep_their_order(
            mut starts in prop::collection::vec(0..400 * DAY_MS, 0..40), length in 0..DAY_MS, days in 1_u8..=25,
        ) {
            starts.sort_unstable();
            let window = Window::before(anchor(), days);
            let sessions: Vec<Span> = starts.iter().map(|start| span(*start, start + length)).collect();
            for offsets in [window.place(&sessions).unwrap(), window.spread(&sessions).unwrap()] {
                prop_assert_eq!(offsets.len(), sessions.len());
                let placed: Vec<i64> = offsets.iter().zip(&sessions).map(|(o, s)| o + s.first_ms).collect();
                prop_assert!(placed.is_sorted());
                prop_assert!(placed.iter().all(|at| *at >= window.first().ms() && at + length <= window.anchor().ms()));
            }
        }
    }

    fn anchor() -> Timestamp {
        Timestamp::from_ms(1_770_000_000_000)
    }

    fn span(first_ms: i64, last_ms: i64) -> Span {
        Span { first_ms, last_ms }
    }
}
