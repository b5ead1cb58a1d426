//! What tasks usually take: medians over completed runs, from counts in the cells of tasks that can be added, merged and
//! taken back.

use std::collections::BTreeMap;

use contract::{
    Timestamp,
    limits::DAY_MS,
    session::{Baseline, FlowOutcome, TaskRun},
};

use crate::{
    cells::{Cell, CellKey, CellKind},
    policy::SessionPolicy,
    score::{math, model},
};

/// Counts a completed run in the cell of its task; other runs do not tell what the task takes.
pub fn observe(cell: &mut Cell, run: &TaskRun) {
    if run.outcome == FlowOutcome::Completed {
        cell.add(&Quantity::TimeMs.sum_of(run.active_ms), 1);
        cell.add(&Quantity::Clicks.sum_of(run.clicks.into()), 1);
    }
}

/// What the tasks of one product usually take, by name, by the cells of a [`window`].
#[must_use]
pub fn all(cells: &[(CellKey, Cell)]) -> BTreeMap<String, Baseline> {
    let mut tasks: BTreeMap<&str, Cell> = BTreeMap::new();
    for (key, cell) in cells.iter().filter(|(key, _)| key.kind == CellKind::Task) {
        *tasks.entry(&key.name).or_default() += cell;
    }
    tasks.into_iter().map(|(name, cell)| (name.to_owned(), of_cell(&cell))).collect()
}

/// What `task` usually takes by the cells of a [`window`]; nothing when none of them knows the task.
#[must_use]
pub fn of(cells: &[(CellKey, Cell)], task: &str) -> Option<Baseline> {
    let own = |key: &CellKey| key.kind == CellKind::Task && key.name == task;
    let mut own = cells.iter().filter(|(key, _)| own(key)).map(|(_, cell)| cell);
    let mut sum = own.next()?.clone();
    own.for_each(|cell| sum += cell);
    Some(of_cell(&sum))
}

/// What a task usually takes by its cell; with too few completed runs, what is assumed of any task.
#[must_use]
pub fn of_cell(cell: &Cell) -> Baseline {
    let times = Sketch::of(cell, Quantity::TimeMs);
    let clicks = Sketch::of(cell, Quantity::Clicks);
    let enough = times.count >= model::BASELINE_COMPLETIONS_MIN;
    match (times.median(), clicks.median()) {
        (Some(ms), Some(clicks)) if enough => {
            Baseline { seconds: ms / 1_000.0, clicks, completions: times.count }
        }
        (Some(_) | None, _) => assumed(times.count),
    }
}

/// What is assumed of a task of which only so many runs were completed.
#[must_use]
pub fn assumed(completions: u64) -> Baseline {
    Baseline { seconds: model::ASSUMED_SECONDS, clicks: model::ASSUMED_CLICKS, completions }
}

/// The days, from and to exclusive, whose cells are the baseline of the sessions that begin on the day of `at`.
///
/// These are 28 days that end before any day on which a session could still change, by the store's `policy`: for a store
/// of nine days those from 35 to 7 days before. No late event can change what is in them any more when the first session
/// of the day is derived, so that a baseline, and with it an efficiency score, never depends on the order of arrival.
#[must_use]
pub fn window(at: Timestamp, policy: &SessionPolicy) -> (Timestamp, Timestamp) {
    let changing_days = (policy.frozen_ms + DAY_MS - 1).div_euclid(DAY_MS);
    let to = at.day().plus_ms(-changing_days * DAY_MS);
    (to.plus_ms(-WINDOW_DAYS * DAY_MS), to)
}

/// What is measured of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    TimeMs,
    Clicks,
}

impl Quantity {
    fn prefix(self) -> &'static str {
        match self {
            Self::TimeMs => "t.",
            Self::Clicks => "k.",
        }
    }

    fn sum_of(self, value: i64) -> String {
        format!("{}{}", self.prefix(), bucket(u64::try_from(value).unwrap_or_default()))
    }
}

/// How many values lie in each bucket, smallest first.
#[derive(Debug, Default)]
struct Sketch {
    buckets: Vec<(u32, u64)>,
    count: u64,
}

impl Sketch {
    fn of(cell: &Cell, quantity: Quantity) -> Self {
        let read = |(name, count): (&String, &i64)| {
            let bucket: u32 = name.strip_prefix(quantity.prefix())?.parse().ok()?;
            let count = u64::try_from(*count).ok().filter(|count| *count > 0)?;
            Some((bucket, count))
        };
        let mut buckets: Vec<(u32, u64)> = cell.sums.iter().filter_map(read).collect();
        buckets.sort_unstable();
        let count = buckets.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        Self { buckets, count }
    }

    /// The middle value, or the mean of the two in the middle.
    fn median(&self) -> Option<f64> {
        let (lower, upper) = (self.count.checked_sub(1)? / 2, self.count / 2);
        Some((self.value_at(lower)? + self.value_at(upper)?) / 2.0)
    }

    /// What stands for the value with `rank` smaller ones before it.
    fn value_at(&self, rank: u64) -> Option<f64> {
        let mut before = 0_u64;
        for (bucket, count) in &self.buckets {
            before = before.saturating_add(*count);
            if rank < before {
                return Some(middle(*bucket));
            }
        }
        None
    }
}

/// The bucket of a value: one for each value below 64, then 32 for each doubling.
fn bucket(value: u64) -> u32 {
    let octave = value.checked_ilog2().unwrap_or_default().saturating_sub(STEPS_LOG2);
    let step = u32::try_from(value >> octave).unwrap_or_default();
    octave * STEPS + step
}

/// The middle of a bucket: at most one part in 64 from every value in it.
fn middle(bucket: u32) -> f64 {
    let octave = (bucket / STEPS).saturating_sub(1);
    let step = bucket - octave * STEPS;
    let width = math::exp2(octave.into());
    f64::from(step) * width + (width - 1.0) / 2.0
}

const WINDOW_DAYS: i64 = 28;
const STEPS_LOG2: u32 = 5;
const STEPS: u32 = 1 << STEPS_LOG2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(active_ms: i64, clicks: u32, outcome: FlowOutcome) -> TaskRun {
        let started_at = Timestamp::from_ms(0);
        TaskRun { name: "pay".to_owned(), outcome, started_at, active_ms, clicks }
    }

    fn observed(runs: &[(i64, u32)]) -> Cell {
        let mut cell = Cell::default();
        for (active_ms, clicks) in runs {
            observe(&mut cell, &run(*active_ms, *clicks, FlowOutcome::Completed));
        }
        cell
    }

    fn exact(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
    }

    #[test]
    fn fewer_than_fifty_completions_are_not_enough_and_are_still_counted() {
        let few = observed(&[(1_000, 1); 49]);
        assert_eq!(of_cell(&few), Baseline { seconds: 60.0, clicks: 8.0, completions: 49 });
        let enough = of_cell(&observed(&[(1_000, 3); 50]));
        assert_eq!((enough.clicks, enough.completions), (3.0, 50));
        assert!((enough.seconds - 1.0).abs() < 0.02);
    }

    #[test]
    fn only_completed_runs_tell_what_a_task_takes() {
        let mut cell = Cell::default();
        for outcome in [FlowOutcome::Cancelled, FlowOutcome::Abandoned, FlowOutcome::Open] {
            observe(&mut cell, &run(5, 5, outcome));
        }
        assert!(cell.is_empty());
    }

    #[test]
    fn the_window_of_a_store_of_nine_days_ends_a_week_before() {
        let day = |text: &str| Timestamp::parse(text).unwrap();
        let at = day("2026-03-20T17:05:00Z");
        let nine = window(at, &SessionPolicy::nine_days());
        assert_eq!(nine, (day("2026-02-13T00:00:00Z"), day("2026-03-13T00:00:00Z")));
        let whole = window(at, &SessionPolicy::whole_horizon());
        assert_eq!(whole, (day("2026-01-20T00:00:00Z"), day("2026-02-17T00:00:00Z")));
    }

    #[test]
    fn no_session_in_the_window_can_change_when_the_day_begins() {
        for policy in [SessionPolicy::nine_days(), SessionPolicy::whole_horizon()] {
            let day = Timestamp::from_ms(20_000 * DAY_MS);
            let (_, to) = window(day, &policy);
            // The longest session that begins in the window, and its last event as late as one may come.
            let last_event = to.plus_ms(-1).plus_ms(policy.cut_ms);
            let settled = policy.closes_at(last_event.plus_ms(policy.late_ms));
            assert!(settled < day, "{settled} {day}");
        }
    }

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_do_not_overlap() {
        let mut values: Vec<u64> =
            (0..5_000).chain((0..53).map(|shift| (1_u64 << shift) - 1)).collect();
        values.sort_unstable();
        assert!(values.windows(2).all(|pair| bucket(pair[0]) <= bucket(pair[1])));
        for value in values {
            let exact = math::float(value.try_into().unwrap());
            let off = (middle(bucket(value)) - exact).abs();
            assert!(off <= exact / 64.0, "{value} is {off} off");
        }
        assert!(middle(bucket(u64::MAX)) > 1.8e19);
    }

    proptest! {
        #[test]
        fn a_median_is_at_most_two_percent_off(
            runs in prop::collection::vec((0..50_000_000_i64, 0..100_000_u32), 50..200),
        ) {
            let usual = of_cell(&observed(&runs));
            let seconds = exact(runs.iter().map(|(ms, _)| math::float(*ms) / 1_000.0).collect());
            let clicks = exact(runs.iter().map(|(_, clicks)| f64::from(*clicks)).collect());
            prop_assert!((usual.seconds - seconds).abs() <= 0.02 * seconds);
            prop_assert!((usual.clicks - clicks).abs() <= 0.02 * clicks);
        }

        #[test]
        fn what_is_added_can_be_merged_and_taken_back(
            kept in prop::collection::vec((0..100_000_i64, 0..200_u32), 0..60),
            gone in prop::collection::vec((0..100_000_i64, 0..200_u32), 0..60),
        ) {
            let mut cell = observed(&gone);
            cell += &observed(&kept);
            let both: Vec<_> = gone.iter().chain(&kept).copied().collect();
            prop_assert_eq!(&cell, &observed(&both));
            cell += &observed(&gone).negated();
            prop_assert_eq!(cell, observed(&kept));
        }
    }

    #[test]
    fn days_of_a_task_are_one_and_tasks_are_apart() {
        let key = |day: i64, kind, name: &str| CellKey {
            org: contract::OrgId::parse("acme").unwrap(),
            product: contract::ProductId::default(),
            day: Timestamp::from_ms(day * DAY_MS),
            kind,
            name: name.to_owned(),
        };
        let half = observed(&[(4_000, 2); 25]);
        let cells = [
            (key(1, CellKind::Task, "pay"), half.clone()),
            (key(2, CellKind::Task, "pay"), half.clone()),
            (key(2, CellKind::Task, "read"), half.clone()),
            (key(2, CellKind::Screen, "pay"), half),
        ];
        let usual = all(&cells);
        assert_eq!(usual.keys().collect::<Vec<_>>(), ["pay", "read"]);
        assert_eq!((usual["pay"].completions, usual["pay"].clicks), (50, 2.0));
        assert_eq!(usual["read"], assumed(25));
        assert_eq!(of(&cells, "pay"), Some(usual["pay"]));
        assert_eq!(of(&cells, "unheard of"), None);
    }
}
