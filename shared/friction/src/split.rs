//! Events of one owner into sessions: at pauses, at fixed cuts where activity never pauses, and no longer than a limit.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Event, EventId, Timestamp, session::Bounds};

use crate::{owner::Position, policy::SessionPolicy};

/// The events of one session, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// At least one.
    pub events: Vec<Event>,
    /// Why it begins and ends where it does.
    pub bounds: Bounds,
    /// Time of its last event, those beyond the limit included.
    pub last: Timestamp,
}

impl Segment {
    /// The position of its first event.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        self.events.first().map(Position::of)
    }
}

/// What is known about the time before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// A pause.
    Pause,
    /// A cut: the first event goes on what went on for more than 12 hours.
    Cut,
}

/// Splits events, in whatever order and however often they come.
///
/// An id that comes with several times has the smallest. A pause of more than `gap_ms` ends a session. What goes on for
/// more than `cut_ms` is cut at the multiples of `cut_ms` since the epoch (so at 00:00 and 12:00 UTC), which makes a cut a
/// matter of the clock and not of where reading began. Of more than `events_max` events the first make the session.
#[must_use]
pub fn split(events: Vec<Event>, before: Before, policy: &SessionPolicy) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut before = before;
    for run in runs(in_order(events), policy.gap_ms) {
        segments.extend(cut(run, before, policy));
        before = Before::Pause;
    }
    segments
}

/// The multiple of `cut_ms` at or before `at`.
#[must_use]
pub fn cut_at_or_before(at: Timestamp, cut_ms: i64) -> Timestamp {
    Timestamp::from_ms(at.ms() - at.ms().rem_euclid(cut_ms))
}

fn in_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut seen = BTreeSet::new();
    // In order, so that the first of an id has its smallest time.
    let first: Vec<bool> = events.iter().map(|event| seen.insert(&event.event_id)).collect();
    let mut first = first.into_iter();
    events.retain(|_| first.next().unwrap_or(false));
    events
}

fn key(event: &Event) -> (Timestamp, &EventId) {
    (event.occurred_at, &event.event_id)
}

fn runs(events: Vec<Event>, gap_ms: i64) -> Vec<Vec<Event>> {
    let mut runs: Vec<Vec<Event>> = Vec::new();
    for event in events {
        let last = runs.last_mut().and_then(|run| Some((run.last()?.occurred_at, run)));
        match last {
            Some((at, run)) if event.occurred_at.since_ms(at) <= gap_ms => run.push(event),
            Some(_) | None => runs.push(vec![event]),
        }
    }
    runs
}

fn cut(run: Vec<Event>, before: Before, policy: &SessionPolicy) -> Vec<Segment> {
    let span = match (run.first(), run.last()) {
        (Some(first), Some(last)) => last.occurred_at.since_ms(first.occurred_at),
        (Some(_) | None, _) => return Vec::new(),
    };
    if span <= policy.cut_ms && before == Before::Pause {
        return vec![segment(run, Bounds::default(), policy)];
    }
    let mut blocks: BTreeMap<Timestamp, Vec<Event>> = BTreeMap::new();
    for event in run {
        blocks.entry(cut_at_or_before(event.occurred_at, policy.cut_ms)).or_default().push(event);
    }
    let count = blocks.len();
    let bounds = |at: usize| Bounds {
        cut_before: at > 0 || before == Before::Cut,
        cut_after: at + 1 < count,
        truncated: false,
    };
    blocks
        .into_values()
        .enumerate()
        .map(|(at, events)| segment(events, bounds(at), policy))
        .collect()
}

fn segment(mut events: Vec<Event>, bounds: Bounds, policy: &SessionPolicy) -> Segment {
    let last = events.last().map(|event| event.occurred_at).unwrap_or_default();
    let truncated = events.len() > policy.events_max;
    events.truncate(policy.events_max);
    Segment { events, bounds: Bounds { truncated, ..bounds }, last }
}

#[cfg(test)]
mod tests {
    use contract::limits::{HOUR_MS, MINUTE_MS};
    use proptest::prelude::*;

    use super::*;
    use crate::sample::event;

    fn policy() -> SessionPolicy {
        SessionPolicy { events_max: 50, ..SessionPolicy::nine_days() }
    }

    fn starts(times: &[i64]) -> Vec<Vec<i64>> {
        let events =
            times.iter().enumerate().map(|(at, ms)| event(&format!("e{at:04}"), *ms)).collect();
        let ms = |segment: &Segment| segment.events.iter().map(|e| e.occurred_at.ms()).collect();
        split(events, Before::Pause, &policy()).iter().map(ms).collect()
    }

    #[test]
    fn a_pause_of_exactly_thirty_minutes_stays_in_the_session() {
        let gap = 30 * MINUTE_MS;
        assert_eq!(starts(&[0, gap]), vec![vec![0, gap]]);
        assert_eq!(starts(&[0, gap + 1]), vec![vec![0], vec![gap + 1]]);
    }

    #[test]
    fn midnight_does_not_split_and_twelve_hours_without_a_pause_do() {
        let half_hours =
            |from: i64, to: i64| (from..=to).map(|n| n * 30 * MINUTE_MS).collect::<Vec<_>>();
        assert_eq!(starts(&half_hours(46, 50)).len(), 1, "23:00 to 01:00");
        assert_eq!(starts(&half_hours(20, 44)).len(), 1, "exactly twelve hours");
        let cut = starts(&half_hours(20, 45));
        assert_eq!(cut.iter().map(|s| s[0] / HOUR_MS).collect::<Vec<_>>(), [10, 12]);
    }

    #[test]
    fn what_goes_on_after_a_cut_is_cut_however_short_it_is() {
        let events = vec![event("a", 12 * HOUR_MS + 5)];
        let segments = split(events, Before::Cut, &policy());
        assert!(segments[0].bounds.cut_before && !segments[0].bounds.cut_after);
    }

    #[test]
    fn an_id_that_comes_with_two_times_has_the_smaller_one() {
        let events = vec![event("a", 10), event("b", 7), event("a", 5)];
        let segments = split(events, Before::Pause, &policy());
        let found: Vec<_> = segments[0].events.iter().map(Position::of).collect();
        assert_eq!(found, [Position::of(&event("a", 5)), Position::of(&event("b", 7))]);
    }

    #[test]
    fn too_many_events_keep_the_first_and_say_so() {
        let events = (0..60).map(|n| event(&format!("e{n:02}"), n)).collect();
        let segments = split(events, Before::Pause, &policy());
        assert_eq!((segments.len(), segments[0].events.len()), (1, 50));
        assert!(segments[0].bounds.truncated);
        assert_eq!(segments[0].last.ms(), 59, "the session lasts as long as its events come");
    }

    proptest! {
        #[test]
        fn reading_on_from_a_cut_gives_what_reading_from_the_beginning_gives(
            gaps in prop::collection::vec(0..40 * MINUTE_MS, 1..120),
        ) {
            let mut at = 0;
            let events: Vec<_> = gaps.iter().enumerate().map(|(n, gap)| { at += gap; event(&format!("e{n:04}"), at) }).collect();
            let whole = split(events.clone(), Before::Pause, &policy());
            for segment in whole.iter().filter(|segment| segment.bounds.cut_before) {
                let from = cut_at_or_before(segment.events[0].occurred_at, policy().cut_ms);
                let rest: Vec<_> = events.iter().filter(|e| e.occurred_at >= from).cloned().collect();
                let again = split(rest, Before::Cut, &policy());
                prop_assert_eq!(&again[0], segment);
            }
        }
    }
}
