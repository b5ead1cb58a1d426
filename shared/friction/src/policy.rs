//! Pauses, limits and horizons of sessions.

use contract::{
    Event, EventType, Timestamp,
    limits::{
        CLOCK_AHEAD_MAX_MS, DAY_MS, DEDUPE_HORIZON_MS, HOUR_MS, MINUTE_MS, SECOND_MS,
        SESSION_CUT_MS, SESSION_EVENTS_MAX, SESSION_GAP_MS,
    },
};

/// Every duration and limit of the way from events to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// A longer pause ends a session; exactly this long does not. ms
    pub gap_ms: i64,
    /// How long after that a session is held open for events that are on their way. ms
    pub grace_ms: i64,
    /// Activity that lasts longer is cut at fixed UTC multiples of this. ms
    pub cut_ms: i64,
    /// Most events of one session: what goes on is cut there.
    pub events_max: usize,
    /// Most sessions that one sweep of one owner changes.
    pub changes_max: usize,
    /// After how many incidents a sweep of one owner leaves the next session to the next one.
    pub incidents_max: usize,
    /// Events that arrive later than this after they happened make no session. ms
    pub late_ms: i64,
    /// Sessions that began earlier than this before now do not change any more. ms
    pub frozen_ms: i64,
    /// How soon after an event an open session is looked at, for its incidents; nothing: only when it is due. ms
    pub live_ms: Option<i64>,
}

impl SessionPolicy {
    /// For a store that keeps events of sessions for nine days.
    #[must_use]
    pub fn nine_days() -> Self {
        Self {
            gap_ms: SESSION_GAP_MS,
            grace_ms: CLOCK_AHEAD_MAX_MS,
            cut_ms: SESSION_CUT_MS,
            events_max: SESSION_EVENTS_MAX,
            changes_max: CHANGES_MAX,
            incidents_max: INCIDENTS_MAX,
            late_ms: 6 * DAY_MS,
            frozen_ms: 6 * DAY_MS + 12 * HOUR_MS,
            live_ms: None,
        }
    }

    /// For a store that keeps events of sessions for as long as ids: whatever is accepted is sessionized.
    #[must_use]
    pub fn whole_horizon() -> Self {
        Self {
            late_ms: DEDUPE_HORIZON_MS,
            frozen_ms: DEDUPE_HORIZON_MS + 12 * HOUR_MS,
            live_ms: Some(5 * SECOND_MS),
            ..Self::nine_days()
        }
    }

    /// True when an event of `occurred` that arrived at `arrived` comes too late for a session.
    #[must_use]
    pub fn is_late(&self, occurred: Timestamp, arrived: Timestamp) -> bool {
        arrived.since_ms(occurred) > self.late_ms
    }

    /// When to look at an owner to whom `event` came at `now`: soon where open sessions are looked at, when the task that it
    /// begins was open for too long, or when its session may be closed.
    #[must_use]
    pub fn look_at(&self, event: &Event, now: Timestamp) -> Timestamp {
        let closes_at = self.closes_at(event.occurred_at.max(now.plus_ms(-self.gap_ms)));
        let soon = self.live_ms.map(|live_ms| now.plus_ms(live_ms));
        let task = (event.event_type == EventType::TaskStarted)
            .then(|| event.occurred_at.plus_ms(TASK_OPEN_MAX_MS).max(now));
        [soon, task].into_iter().flatten().fold(closes_at, Timestamp::min)
    }

    /// How long after the last event that was read open sessions of so many events are not looked at again, ms: nothing for
    /// some hundred, and no longer than a pause.
    #[must_use]
    pub fn look_pause_ms(&self, events: u64) -> i64 {
        // Whoever looks at once, or only when it is due, has no reason to wait.
        if self.live_ms.is_none_or(|live_ms| live_ms == 0) {
            return 0;
        }
        let paid = i64::try_from(events.saturating_sub(LOOK_EVENTS_FREE)).unwrap_or(i64::MAX);
        paid.saturating_mul(LOOK_MS_PER_EVENT).min(self.gap_ms)
    }

    /// When a session whose last event is at `last` may be closed.
    #[must_use]
    pub fn closes_at(&self, last: Timestamp) -> Timestamp {
        last.plus_ms(self.gap_ms).plus_ms(self.grace_ms)
    }
}

const LOOK_EVENTS_FREE: u64 = 500;
const LOOK_MS_PER_EVENT: i64 = 10;
/// With the head, notices and journal they fit into one transaction.
const CHANGES_MAX: usize = 45;
/// Some MB.
const INCIDENTS_MAX: usize = 5_000;
/// How long a task may stay open, ms of event time.
pub const TASK_OPEN_MAX_MS: i64 = 15 * MINUTE_MS;
