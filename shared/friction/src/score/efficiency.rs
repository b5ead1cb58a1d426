//! The efficiency score `ef-1`: completion, time and clicks against the usual, and detours. Nothing where nothing was tried.

use std::collections::BTreeMap;

use contract::session::{Baseline, Efficiency, EfficiencyBasis, TaskRun};

use super::{math, model};
use crate::baseline;

/// What an efficiency score is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// Tasks begun.
    pub tasks_started: u32,
    /// Tasks brought to their end.
    pub tasks_completed: u32,
    /// The session's time without pauses, ms.
    pub active_ms: i64,
    /// Clicks.
    pub clicks: u32,
    /// Screens visited, repeats counted.
    pub screens_visited: u32,
    /// Different screens.
    pub unique_screens: u32,
    /// What its tasks usually take.
    pub baseline: Baseline,
}

/// How well a session went.
#[must_use]
pub fn efficiency(done: &Performance) -> Efficiency {
    let lostness = lostness(done.unique_screens, done.screens_visited, None);
    let nothing_tried = Efficiency {
        model: model::EFFICIENCY.to_owned(),
        score: None,
        basis: EfficiencyBasis::None,
        completion: None,
        seconds_per_task: None,
        clicks_per_task: None,
        lostness,
        baseline: None,
        navigation_efficiency: ratio(done.unique_screens, done.screens_visited),
    };
    let Some(completion) = ratio(done.tasks_completed, done.tasks_started) else {
        return nothing_tried;
    };
    let per = f64::from(done.tasks_completed.max(1));
    let seconds = math::float(done.active_ms) / 1_000.0 / per;
    let clicks = f64::from(done.clicks) / per;
    let z = model::COMPLETION_WEIGHT * (2.0 * completion - 1.0)
        - model::TIME_WEIGHT * doublings(seconds, done.baseline.seconds, model::SECONDS_MIN)
        - model::CLICKS_WEIGHT * doublings(clicks, done.baseline.clicks, model::CLICKS_MIN)
        - model::LOSTNESS_WEIGHT * lostness.unwrap_or_default();
    Efficiency {
        score: Some(math::sigmoid(z)),
        basis: EfficiencyBasis::Tasks,
        completion: Some(completion),
        seconds_per_task: Some(seconds),
        clicks_per_task: Some(clicks),
        baseline: Some(done.baseline),
        navigation_efficiency: None,
        ..nothing_tried
    }
}

/// What the tasks of a session usually take: the geometric mean of the baselines of those that were begun, as often as they
/// were. A task without a baseline has the assumed one. `completions` is that of the task least is known about.
#[must_use]
pub fn baseline_of(tasks: &[TaskRun], baselines: &BTreeMap<String, Baseline>) -> Baseline {
    let of_run = |run: &TaskRun| baselines.get(&run.name).copied().unwrap_or(baseline::assumed(0));
    let all: Vec<Baseline> = tasks.iter().map(of_run).collect();
    Baseline {
        seconds: mean(all.iter().map(|usual| usual.seconds), model::SECONDS_MIN)
            .unwrap_or(model::ASSUMED_SECONDS),
        clicks: mean(all.iter().map(|usual| usual.clicks), model::CLICKS_MIN)
            .unwrap_or(model::ASSUMED_CLICKS),
        completions: all.iter().map(|usual| usual.completions).min().unwrap_or_default(),
    }
}

/// Smith's lostness: how far a way is from one that visits no screen twice and only `required` many. Nothing without
/// screens; where nobody knows how many are required, its second half is 0.
#[must_use]
pub fn lostness(unique: u32, visited: u32, required: Option<u32>) -> Option<f64> {
    let again = ratio(unique, visited)? - 1.0;
    let needless = required.and_then(|required| Some(f64::from(required) / nonzero(unique)? - 1.0));
    let needless = needless.unwrap_or_default();
    Some((again * again + needless * needless).sqrt())
}

/// How often the usual has to be doubled, between −2 and 3. The usual is never taken for less than `least`, and what is
/// like the usual is neither good nor bad.
fn doublings(value: f64, usual: f64, least: f64) -> f64 {
    if value == usual {
        return 0.0;
    }
    math::log2(value / usual.max(least)).clamp(model::DOUBLINGS_MIN, model::DOUBLINGS_MAX)
}

/// The geometric mean, of values in whatever order. Values that are all the same are their mean, to the bit.
fn mean(values: impl Iterator<Item = f64>, least: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    if first == last {
        return Some(first);
    }
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let sum: f64 = values.iter().map(|value| math::log2(value.max(least))).sum();
    Some(math::exp2(sum / count))
}

/// A part of a whole, at most 1; nothing of nothing.
fn ratio(part: u32, whole: u32) -> Option<f64> {
    Some((f64::from(part) / nonzero(whole)?).min(1.0))
}

fn nonzero(count: u32) -> Option<f64> {
    (count > 0).then(|| f64::from(count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn performance(
        tasks: (u32, u32),
        seconds: i64,
        clicks: u32,
        screens: (u32, u32),
    ) -> Performance {
        Performance {
            tasks_completed: tasks.0,
            tasks_started: tasks.1,
            active_ms: seconds * 1_000,
            clicks,
            unique_screens: screens.0,
            screens_visited: screens.1,
            baseline: baseline::assumed(0),
        }
    }

    #[test]
    fn the_published_values_come_out() {
        for (done, expected) in [
            (performance((1, 1), 60, 8, (4, 4)), 0.88),
            (performance((1, 1), 120, 8, (4, 4)), 0.77),
            (performance((1, 1), 120, 16, (3, 6)), 0.46),
            (performance((4, 5), 400, 40, (5, 10)), 0.42),
            (performance((0, 1), 300, 30, (3, 12)), 0.00),
            (performance((1, 1), 30, 4, (4, 4)), 0.97),
        ] {
            let score = efficiency(&done).score.unwrap();
            assert!((score - expected).abs() <= 0.005, "{done:?}: {score}, not {expected}");
        }
    }

    #[test]
    fn without_a_task_there_is_no_score_and_the_way_is_told_apart() {
        let said = efficiency(&performance((0, 0), 500, 80, (3, 12)));
        assert_eq!((said.score, said.basis), (None, EfficiencyBasis::None));
        assert_eq!((said.navigation_efficiency, said.baseline), (Some(0.25), None));
        let nothing = efficiency(&performance((0, 0), 0, 0, (0, 0)));
        assert_eq!((nothing.navigation_efficiency, nothing.lostness), (None, None));
    }

    #[test]
    fn lostness_has_a_second_half_where_the_needed_screens_are_known() {
        assert_eq!(lostness(5, 5, Some(5)), Some(0.0));
        assert_eq!(lostness(5, 10, None), Some(0.5));
        assert_eq!(lostness(4, 4, Some(1)), Some(0.75));
        // Gwizdka and Spence's bound for "lost" is 0.5.
        assert!((lostness(4, 8, Some(2)).unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(lostness(0, 0, Some(3)), None);
    }

    #[test]
    fn nothing_counts_for_more_than_its_clamp() {
        let score =
            |seconds, clicks| efficiency(&performance((1, 1), seconds, clicks, (1, 1))).score;
        assert_eq!(score(0, 0), score(15, 2));
        assert_eq!(score(480, 64), score(48_000, 6_400));
    }

    #[test]
    fn a_task_that_usually_takes_nothing_is_no_reason_for_infinity() {
        let usual = Baseline { seconds: 0.0, clicks: 0.0, completions: 80 };
        let score = |seconds, clicks| {
            let done = performance((1, 1), seconds, clicks, (1, 1));
            efficiency(&Performance { baseline: usual, ..done }).score.unwrap()
        };
        assert!((score(0, 0) - math::sigmoid(2.0)).abs() < 1e-12);
        assert!(score(0, 1).is_finite() && score(3, 2) < score(0, 0));
    }

    fn run(name: &str) -> TaskRun {
        TaskRun {
            name: name.to_owned(),
            outcome: contract::session::FlowOutcome::Completed,
            started_at: contract::Timestamp::from_ms(0),
            active_ms: 0,
            clicks: 0,
        }
    }

    #[test]
    fn several_tasks_are_compared_with_the_geometric_mean_of_what_they_usually_take() {
        let usual = |seconds, clicks| Baseline { seconds, clicks, completions: 100 };
        let baselines = BTreeMap::from([
            ("a".to_owned(), usual(10.0, 2.0)),
            ("b".to_owned(), usual(80.0, 16.0)),
        ]);
        let of = |names: &[&str]| {
            baseline_of(&names.iter().map(|name| run(name)).collect::<Vec<_>>(), &baselines)
        };
        assert_eq!(of(&["a"]), usual(10.0, 2.0));
        assert_eq!(of(&["a", "a", "a"]), usual(10.0, 2.0));
        let mixed = of(&["a", "a", "b"]);
        assert!((mixed.seconds - 20.0).abs() < 1e-9 && (mixed.clicks - 4.0).abs() < 1e-9);
        assert_eq!(of(&["b", "a", "a"]), mixed);
        assert_eq!(of(&["unknown"]), baseline::assumed(0));
        assert_eq!(of(&["a", "unknown"]).completions, 0);
        assert_eq!(of(&[]), baseline::assumed(0));
    }

    proptest! {
        #[test]
        fn it_stays_between_0_and_1_and_more_time_clicks_or_detours_never_help(
            started in 1..20_u32,
            completed in 0..20_u32,
            seconds in 0..10_000_i64,
            clicks in 0..2_000_u32,
            unique in 1..50_u32,
            again in 0..50_u32,
        ) {
            let completed = completed.min(started);
            let of = |seconds, clicks, again| {
                let done = performance((completed, started), seconds, clicks, (unique, unique + again));
                efficiency(&done).score.unwrap()
            };
            let score = of(seconds, clicks, again);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert!(of(seconds + 1, clicks, again) <= score);
            prop_assert!(of(seconds, clicks + 1, again) <= score);
            prop_assert!(of(seconds, clicks, again + 1) <= score);
        }

        #[test]
        fn tasks_in_any_order_have_one_baseline_to_the_bit(
            names in prop::collection::vec(0..4_u32, 1..12).prop_shuffle(),
        ) {
            let usual = |at: u32| Baseline {
                seconds: 7.3 + f64::from(at) * 11.1,
                clicks: 1.7 * f64::from(at),
                completions: 60,
            };
            let baselines: BTreeMap<_, _> = (0..4).map(|at| (at.to_string(), usual(at))).collect();
            let of = |names: &[u32]| {
                let runs: Vec<_> = names.iter().map(|at| run(&at.to_string())).collect();
                baseline_of(&runs, &baselines)
            };
            let mut sorted = names.clone();
            sorted.sort_unstable();
            let (a, b) = (of(&names), of(&sorted));
            prop_assert_eq!(a.seconds.to_bits(), b.seconds.to_bits());
            prop_assert_eq!(a.clicks.to_bits(), b.clicks.to_bits());
        }
    }
}
