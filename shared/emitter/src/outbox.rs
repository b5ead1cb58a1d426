//! Who waits, who is under way, and the numbers: one lock, held for moments and never while waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::{Code, Timestamp, limits::STAGING_TTL_MS, staged::StagedEvent};
use domain::breaker::{Breaker, BreakerPolicy};

use crate::{
    ring::{Place, Ring, RingLimits},
    stats::EmitterStats,
    transport::RowFate,
};

/// The ring, the breaker and the counters of an emitter.
pub(crate) struct Outbox(Mutex<State>);

struct State {
    ring: Ring,
    next: Place,
    breaker: Breaker,
    stats: EmitterStats,
    dropped_reported: u64,
}

/// What became of a row that was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    Refused(Code),
    Held,
    Dropped,
}

/// What a send that got an answer achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Landing {
    pub(crate) sent: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) unprocessed: u64,
    /// The fate of the row that boarded last.
    pub(crate) last: Option<Fate>,
}

/// Why a send got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Timeout,
    Panic,
    Error,
    Denied,
}

impl Outbox {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self(Mutex::new(State {
            ring: Ring::new(limits),
            next: 0,
            breaker: Breaker::default(),
            stats: EmitterStats::default(),
            dropped_reported: 0,
        }))
    }

    /// Counts an event that is lost because of what it is, and tells how many there were with this code.
    pub(crate) fn refuse(&self, code: Code) -> u64 {
        let mut state = self.state();
        state.stats.emitted += 1;
        if code == Code::Panicked {
            state.stats.panics += 1;
        }
        state.refused(code)
    }

    pub(crate) fn count_dropped_keys(&self, keys: u64) {
        self.state().stats.keys_dropped += keys;
    }

    /// Puts a new row into the ring.
    pub(crate) fn hold(&self, row: StagedEvent, spill: Spill) -> Fate {
        let mut state = self.state();
        let place = state.enter();
        if spill == Spill::Counted {
            state.stats.spilled += 1;
        }
        state.put(place, row)
    }

    /// Takes the oldest rows, and a new one behind them, on their way.
    pub(crate) fn board(
        &self,
        newest: Option<StagedEvent>,
        rows_max: usize,
        now: Timestamp,
    ) -> Flight<'_> {
        let mut state = self.state();
        let mut flight = Flight {
            outbox: self,
            places: Vec::new(),
            rows: Vec::new(),
            carries_new: newest.is_some(),
        };
        let seats = rows_max - usize::from(newest.is_some());
        while flight.rows.len() < seats
            && let Some((place, row)) = state.ring.take()
        {
            flight.seat(place, restaged(row, now));
        }
        if let Some(row) = newest {
            flight.seat(state.enter(), row);
        }
        state.stats.in_flight += count(flight.rows.len());
        flight
    }

    /// True while the transport is left alone.
    pub(crate) fn is_resting(&self, now: Timestamp) -> bool {
        self.state().breaker.is_open(now)
    }

    /// The transport answered and took something.
    pub(crate) fn succeeded(&self) {
        self.state().breaker = Breaker::succeeded();
    }

    /// The transport failed.
    pub(crate) fn failed(&self, failure: Failure, now: Timestamp) {
        let mut state = self.state();
        state.stats.failures += 1;
        state.breaker = match failure {
            Failure::Denied => state.breaker.refused(now, &PAUSES),
            Failure::Timeout | Failure::Panic | Failure::Error => {
                state.breaker.failed(now, &PAUSES)
            }
        };
        match failure {
            Failure::Timeout => state.stats.timeouts += 1,
            Failure::Panic => state.stats.panics += 1,
            Failure::Error | Failure::Denied => {}
        }
    }

    pub(crate) fn stats(&self) -> EmitterStats {
        let state = self.state();
        EmitterStats {
            held: count(state.ring.len()),
            held_bytes: count(state.ring.bytes()),
            ..state.stats.clone()
        }
    }

    /// Events that were dropped since this was asked before.
    pub(crate) fn newly_dropped(&self) -> u64 {
        let mut state = self.state();
        let new = state.stats.dropped - state.dropped_reported;
        state.dropped_reported = state.stats.dropped;
        new
    }

    /// A panic under the lock leaves numbers that may be off by one event; that is better than a host that panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the ring take the row because the transport did not?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spill {
    Counted,
    /// The host asked for it.
    Intended,
}

impl State {
    fn enter(&mut self) -> Place {
        let place = self.next;
        self.next += 1;
        self.stats.emitted += 1;
        place
    }

    fn put(&mut self, place: Place, row: StagedEvent) -> Fate {
        let dropped = self.ring.put(place, row);
        self.stats.dropped += count(dropped.len());
        if dropped.contains(&place) { Fate::Dropped } else { Fate::Held }
    }

    fn refused(&mut self, code: Code) -> u64 {
        let so_far = self.stats.rejected.entry(code).or_default();
        *so_far += 1;
        *so_far
    }
}

/// Rows under way. Dropped without an answer, whoever drops it, they return to their places in the ring.
pub(crate) struct Flight<'a> {
    outbox: &'a Outbox,
    places: Vec<Place>,
    rows: Vec<StagedEvent>,
    carries_new: bool,
}

impl Flight<'_> {
    pub(crate) fn rows(&self) -> &[StagedEvent] {
        &self.rows
    }

    /// Books the answer, row by row.
    pub(crate) fn land(mut self, fates: &[RowFate]) -> Landing {
        let mut landing = Landing::default();
        let fates = fates.iter().copied().chain(std::iter::repeat(RowFate::Unprocessed));
        let mut state = self.outbox.state();
        for ((place, row), fate) in self.places.drain(..).zip(self.rows.drain(..)).zip(fates) {
            state.stats.in_flight -= 1;
            landing.last = Some(match fate {
                RowFate::Stored => {
                    state.stats.sent += 1;
                    landing.sent += 1;
                    Fate::Stored
                }
                RowFate::Known => {
                    state.stats.duplicates += 1;
                    landing.duplicates += 1;
                    Fate::Stored
                }
                RowFate::Refused(code) => {
                    state.refused(code);
                    landing.rejected += 1;
                    Fate::Refused(code)
                }
                RowFate::Unprocessed => {
                    landing.unprocessed += 1;
                    state.put(place, row)
                }
            });
        }
        if self.carries_new && matches!(landing.last, Some(Fate::Held | Fate::Dropped)) {
            state.stats.spilled += 1;
        }
        landing
    }

    /// Puts every row back and tells what became of the newest.
    pub(crate) fn turn_back(mut self) -> Option<Fate> {
        self.return_rows()
    }

    fn seat(&mut self, place: Place, row: StagedEvent) {
        self.places.push(place);
        self.rows.push(row);
    }

    fn return_rows(&mut self) -> Option<Fate> {
        if self.rows.is_empty() {
            return None;
        }
        let mut state = self.outbox.state();
        state.stats.in_flight -= count(self.rows.len());
        state.stats.spilled += u64::from(self.carries_new);
        let mut last = None;
        for (place, row) in self.places.drain(..).zip(self.rows.drain(..)) {
            last = Some(state.put(place, row));
        }
        last
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.return_rows();
    }
}

/// A row that waited for half its life in staging is staged anew, so that TTL does not remove it before a batch can take
/// it over. Younger rows stay as they are: a resend must be the same bytes.
fn restaged(row: StagedEvent, now: Timestamp) -> StagedEvent {
    if now.since_ms(row.staged_at) <= STAGING_TTL_MS / 2 {
        return row;
    }
    StagedEvent { staged_at: now, expires_at: now.plus_ms(STAGING_TTL_MS), ..row }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// One failure is enough: while the transport is down each try costs the host up to its whole budget.
const PAUSES: BreakerPolicy =
    BreakerPolicy { failures_to_open: 1, open_min_ms: 1_000, open_max_ms: 30_000 };
