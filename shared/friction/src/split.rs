//! Events of one owner into sessions: at pauses, at fixed cuts where activity goes on for too long, and at a number of events.

use std::{collections::BTreeSet, mem};

use contract::{Event, EventId, Timestamp, session::Bounds};

use crate::{owner::Position, policy::SessionPolicy};

/// The events of one session, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// At least one; each id once.
    pub events: Vec<Event>,
    /// Events under the id of an earlier one of the session, in order: they count for nothing but that something came then.
    pub repeats: Vec<Event>,
    /// Why it begins and ends where it does.
    pub bounds: Bounds,
    /// Time of the last event, repeats included.
    pub last: Timestamp,
}

impl Segment {
    /// The position of its first event.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        self.events.first().map(Position::of)
    }

    /// Everything that is logged of it, in order.
    #[must_use]
    pub fn logged(&self) -> Vec<&Event> {
        let mut logged: Vec<&Event> = self.events.iter().chain(&self.repeats).collect();
        logged.sort_by_key(|event| key(event));
        logged
    }

    /// The day whose baselines it is compared with; nothing when it has no tasks.
    #[must_use]
    pub fn day_with_tasks(&self) -> Option<Timestamp> {
        let has_tasks = self.events.iter().any(|event| event.task.is_some());
        self.first().filter(|_| has_tasks).map(|first| first.at.day())
    }
}

/// What is known about the time before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// A pause.
    Pause,
    /// A cut: the first event goes on what went on for too long.
    Cut,
}

/// Splits events, in whatever order and however often they come, see [`Splitter`].
#[must_use]
pub fn split(mut events: Vec<Event>, before: Before, policy: &SessionPolicy) -> Vec<Segment> {
    events.sort_by(|a, b| key(a).cmp(&key(b)));
    events.dedup_by(|again, first| key(again) == key(first));
    let mut splitter = Splitter::new(before, policy);
    let mut segments = Vec::new();
    for event in events {
        segments.extend(splitter.push(event));
    }
    segments.extend(splitter.finish());
    segments
}

/// Splits events that come in order, each place (time and id) once, and holds no more of them than one session may have.
///
/// A pause of more than `gap_ms` ends a session. What goes on without one for more than `cut_ms`, or for more than
/// `events_max` events, is cut at the multiples of `cut_ms` since the epoch (so at 00:00 and 12:00 UTC), and between those
/// wherever there are `events_max`: before the millisecond of the first event too many, and within a millisecond only where
/// it alone has too many. So each event is in one session, a cut depends on nothing that comes behind it, and whoever reads
/// on from one ([`Before::Cut`]) finds what whoever read everything finds. Within a session, an id that comes again counts
/// once, with its smallest time.
#[derive(Debug)]
pub struct Splitter {
    policy: SessionPolicy,
    /// What is not told yet: the session under way.
    held: Vec<Event>,
    cut_before: bool,
    stage: Stage,
}

/// What is known about how long it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not for too long, so far.
    Short,
    /// For too long: it is cut.
    Long,
}

impl Splitter {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(before: Before, policy: &SessionPolicy) -> Self {
        let (cut_before, stage) = match before {
            Before::Pause => (false, Stage::Short),
            Before::Cut => (true, Stage::Long),
        };
        Self { policy: *policy, held: Vec::new(), cut_before, stage }
    }

    /// Takes the next event; answers what is complete by that, which is nothing most of the time.
    pub fn push(&mut self, event: Event) -> Vec<Segment> {
        let (at, policy) = (event.occurred_at, self.policy);
        let Some((first, last)) = self.span() else {
            self.held.push(event);
            return Vec::new();
        };
        if at.since_ms(last) > policy.gap_ms {
            let ended = self.tell(self.held.len(), Bounds::default());
            (self.cut_before, self.stage) = (false, Stage::Short);
            self.held.push(event);
            return ended.into_iter().collect();
        }
        match self.stage {
            Stage::Short => {
                self.held.push(event);
                let is_long =
                    at.since_ms(first) > policy.cut_ms || self.held.len() > policy.events_max;
                if is_long { self.cut_held() } else { Vec::new() }
            }
            Stage::Long => {
                let cut = cut_at_or_before(first, policy.cut_ms).plus_ms(policy.cut_ms);
                let ended = (at >= cut).then(|| self.cut(self.held.len(), Bounds::default()));
                self.held.push(event);
                ended.flatten().or_else(|| self.cut_when_full()).into_iter().collect()
            }
        }
    }

    /// Lets go of the session under way: nothing comes after it.
    pub fn finish(&mut self) -> Option<Segment> {
        self.tell(self.held.len(), Bounds::default())
    }

    /// When the session under way begins: everything before has been told.
    #[must_use]
    pub fn begun_at(&self) -> Option<Timestamp> {
        self.span().map(|(first, _)| first)
    }

    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.held.first()?.occurred_at, self.held.last()?.occurred_at))
    }

    /// What turned out to go on for too long is cut from its beginning.
    fn cut_held(&mut self) -> Vec<Segment> {
        self.stage = Stage::Long;
        let held = mem::take(&mut self.held);
        held.into_iter().flat_map(|event| self.push(event)).collect()
    }

    fn cut_when_full(&mut self) -> Option<Segment> {
        let max = self.policy.events_max;
        let (_, last) = self.span().filter(|_| self.held.len() > max)?;
        let before = self.held.partition_point(|event| event.occurred_at < last);
        let count = if before == 0 { max } else { before };
        self.cut(count, Bounds { truncated: true, ..Bounds::default() })
    }

    fn cut(&mut self, count: usize, bounds: Bounds) -> Option<Segment> {
        let told = self.tell(count, Bounds { cut_after: true, ..bounds });
        self.cut_before = true;
        told
    }

    /// Lets go of the first `count` events, as a session.
    fn tell(&mut self, count: usize, bounds: Bounds) -> Option<Segment> {
        let rest = self.held.split_off(count.min(self.held.len()));
        let told = mem::replace(&mut self.held, rest);
        let last = told.last()?.occurred_at;
        let bounds = Bounds { cut_before: self.cut_before, ..bounds };
        let (events, repeats) = told_apart(told);
        Some(Segment { events, repeats, bounds, last })
    }
}

/// The multiple of `cut_ms` at or before `at`.
#[must_use]
pub fn cut_at_or_before(at: Timestamp, cut_ms: i64) -> Timestamp {
    Timestamp::from_ms(at.ms() - at.ms().rem_euclid(cut_ms))
}

/// The first events of their ids, and the others.
fn told_apart(events: Vec<Event>) -> (Vec<Event>, Vec<Event>) {
    let mut seen = BTreeSet::new();
    let is_first: Vec<bool> = events.iter().map(|event| seen.insert(&event.event_id)).collect();
    if is_first.iter().all(|first| *first) {
        return (events, Vec::new());
    }
    let mut is_first = is_first.into_iter();
    events.into_iter().partition(|_| is_first.next().unwrap_or(false))
}

fn key(event: &Event) -> (Timestamp, &EventId) {
    (event.occurred_at, &event.event_id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        assert_eq!(segments[0].repeats, [event("a", 10)]);
        assert_eq!(segments[0].last.ms(), 10, "something came then");
    }

    #[test]
    fn the_first_event_too_many_begins_another_session() {
        let times = |count: i64| (0..count).collect::<Vec<_>>();
        assert_eq!(starts(&times(50)).len(), 1);
        let counts: Vec<_> = starts(&times(151)).iter().map(Vec::len).collect();
        assert_eq!(counts, [50, 50, 50, 1]);
        let events = (0..51).map(|n| event(&format!("e{n:02}"), n)).collect();
        let segments = split(events, Before::Pause, &policy());
        let [first, second] = &segments[..] else { panic!("{segments:?}") };
        assert!(first.bounds.truncated && first.bounds.cut_after && !first.bounds.cut_before);
        let rest = Bounds { cut_before: true, ..Bounds::default() };
        assert_eq!((second.bounds, first.last.ms()), (rest, 49));
    }

    #[test]
    fn a_millisecond_is_in_one_session_unless_it_has_too_many_events_itself() {
        let mut times: Vec<i64> = (0..45).collect();
        times.extend([45; 20]);
        assert_eq!(starts(&times).iter().map(Vec::len).collect::<Vec<_>>(), [45, 20]);
        times.extend([45; 90]);
        times.extend(46..60);
        let counts: Vec<_> = starts(&times).iter().map(Vec::len).collect();
        assert_eq!(counts, [45, 50, 50, 24]);
    }

    #[test]
    fn too_many_events_are_cut_at_midnight_as_well() {
        let midnight = 24 * HOUR_MS;
        let times: Vec<i64> = (-30..30).map(|n| midnight + n).collect();
        assert_eq!(starts(&times).iter().map(Vec::len).collect::<Vec<_>>(), [30, 30]);
    }

    /// The rule as it is said, of everything at once: runs, then halves of days, then as many milliseconds as fit.
    fn as_it_is_said(events: &[Event], policy: &SessionPolicy) -> Vec<Vec<Event>> {
        let mut runs: Vec<Vec<Event>> = Vec::new();
        for event in events {
            let last = runs.last().map(|run| run[run.len() - 1].occurred_at);
            match last {
                Some(at) if event.occurred_at.since_ms(at) <= policy.gap_ms => {
                    runs.last_mut().unwrap().push(event.clone());
                }
                _ => runs.push(vec![event.clone()]),
            }
        }
        let is_long = |run: &[Event]| {
            let span = run[run.len() - 1].occurred_at.since_ms(run[0].occurred_at);
            span > policy.cut_ms || run.len() > policy.events_max
        };
        let mut told = Vec::new();
        for run in runs {
            if !is_long(&run) {
                told.push(run);
                continue;
            }
            let mut halves: BTreeMap<Timestamp, Vec<Event>> = BTreeMap::new();
            for event in run {
                let half = cut_at_or_before(event.occurred_at, policy.cut_ms);
                halves.entry(half).or_default().push(event);
            }
            halves.into_values().for_each(|half| told.extend(packed(&half, policy.events_max)));
        }
        told
    }

    fn packed(half: &[Event], max: usize) -> Vec<Vec<Event>> {
        let mut packed: Vec<Vec<Event>> = vec![Vec::new()];
        for same_time in half.chunk_by(|a, b| a.occurred_at == b.occurred_at) {
            let own = packed.last().map_or(0, Vec::len);
            if own > 0 && own + same_time.len() > max {
                packed.push(Vec::new());
            }
            for event in same_time {
                if packed.last().is_some_and(|last| last.len() == max) {
                    packed.push(Vec::new());
                }
                packed.last_mut().unwrap().push(event.clone());
            }
        }
        packed
    }

    /// Events of which every id but some is one of its own, with pauses, cuts, crowds and times in common.
    fn events() -> impl Strategy<Value = Vec<Event>> {
        let gap = prop_oneof![
            4 => Just(0),
            6 => 1..1_000_i64,
            3 => 1_000..29 * MINUTE_MS,
            2 => 29 * MINUTE_MS..=31 * MINUTE_MS,
            1 => Just(30 * MINUTE_MS),
        ];
        prop::collection::vec((gap, prop::option::weighted(0.1, 0..5_usize)), 1..150).prop_map(
            |steps| {
                let mut at = 10 * HOUR_MS;
                let made = steps.into_iter().enumerate().map(|(n, (gap, again))| {
                    at += gap;
                    event(&again.map_or(format!("e{n:04}"), |id| format!("again{id}")), at)
                });
                made.collect()
            },
        )
    }

    /// Small enough for all of it to happen.
    fn small() -> impl Strategy<Value = SessionPolicy> {
        (1..12_usize, 1..5_i64).prop_map(|(events_max, hours)| SessionPolicy {
            events_max,
            cut_ms: hours * HOUR_MS,
            ..SessionPolicy::nine_days()
        })
    }

    fn sorted(mut events: Vec<Event>) -> Vec<Event> {
        events.sort_by(|a, b| key(a).cmp(&key(b)));
        events.dedup_by(|again, first| key(again) == key(first));
        events
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn sessions_are_those_of_the_whole_and_no_more_than_one_is_held(
            (events, policy) in (events(), small()),
        ) {
            let events = sorted(events);
            let mut splitter = Splitter::new(Before::Pause, &policy);
            let mut segments = Vec::new();
            for event in events.clone() {
                segments.extend(splitter.push(event));
                prop_assert!(splitter.held.len() <= policy.events_max);
            }
            segments.extend(splitter.finish());
            let logged: Vec<Vec<Event>> = segments
                .iter()
                .map(|segment| segment.logged().into_iter().cloned().collect())
                .collect();
            prop_assert_eq!(&logged, &as_it_is_said(&events, &policy));
            prop_assert_eq!(logged.concat(), events, "each event is in one session");
            for segment in &segments {
                let span = segment.last.since_ms(segment.events[0].occurred_at);
                prop_assert!(span <= policy.cut_ms && segment.events.len() <= policy.events_max);
                let ids: BTreeSet<_> = segment.events.iter().map(|event| &event.event_id).collect();
                prop_assert_eq!(ids.len(), segment.events.len());
            }
            for pair in segments.windows(2) {
                prop_assert_eq!(pair[0].bounds.cut_after, pair[1].bounds.cut_before);
            }
        }

        #[test]
        fn the_order_of_arrival_says_nothing(
            (events, policy) in (events(), small()),
            seed in any::<u64>(),
        ) {
            let whole = split(events.clone(), Before::Pause, &policy);
            let mut other = events;
            other.sort_by_key(|event| {
                let text = format!("{seed}{}{}", event.event_id, event.occurred_at.ms());
                text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            });
            prop_assert_eq!(split(other, Before::Pause, &policy), whole);
        }

        #[test]
        fn reading_on_from_a_cut_gives_what_reading_from_the_beginning_gives(
            (events, policy) in (events(), small()),
        ) {
            let whole = split(events.clone(), Before::Pause, &policy);
            for (place, segment) in whole.iter().enumerate().filter(|(_, s)| s.bounds.cut_before) {
                let from = segment.events[0].occurred_at;
                // Within a millisecond nobody reads on: there, it is read from its first event.
                if whole[place - 1].last == from {
                    continue;
                }
                let rest: Vec<_> = events.iter().filter(|e| e.occurred_at >= from).cloned().collect();
                prop_assert_eq!(&split(rest, Before::Cut, &policy)[..], &whole[place..]);
            }
        }
    }
}
