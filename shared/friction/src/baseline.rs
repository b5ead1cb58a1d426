//! What tasks usually take: medians over completed runs, from counts in the cells of tasks that can be added, merged and
//! taken back.

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

/// What `task` usually takes by the cells of a [`window`]; nothing when none of them knows the task.
#[must_use]
pub fn of<'a>(
    cells: impl IntoIterator<Item = (&'a CellKey, &'a Cell)>,
    task: &str,
) -> Option<Baseline> {
    let mut all: Option<Cell> = None;
    for (key, cell) in cells {
        if key.kind == CellKind::Task && key.name == task {
            *all.get_or_insert_default() += cell;
        }
    }
    all.map(|cell| of_cell(&cell))
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
