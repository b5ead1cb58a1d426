//! All sessions of a period at a glance.

use std::{cmp::Reverse, collections::BTreeMap};

use contract::{
    incident::Rule,
    insights::{
        asked::Asked,
        hotspots::TopHotspot,
        overview::{Overview, PreviousTotals, RuleCount, SignalPart, TaskCount, Totals},
    },
    limits::{K_ANONYMITY, MINUTE_MS},
};

use super::{
    Period, Rows, TREND_THRESHOLDS, Telling, basis, count, divides, hotspots,
    hotspots::SESSIONS_MIN, leaves, mean_score, note, ratio, rounded,
};
use crate::{
    cells::{Cell, CellKey},
    disclosure::{self, Actors, Total, may_tell},
    score::math::float,
};

/// The cells that an overview is read from, those of the period before among them.
#[derive(Debug, Clone, Copy)]
pub struct OverviewCells<'a> {
    /// All sessions.
    pub overview: &'a [(CellKey, Cell)],
    /// By screen.
    pub screens: &'a [(CellKey, Cell)],
    /// By rule.
    pub rules: &'a [(CellKey, Cell)],
    /// By task.
    pub tasks: &'a [(CellKey, Cell)],
}

/// The sessions of `period`, and what changed against the period before.
#[must_use]
pub fn overview(asked: Asked, period: Period, cells: &OverviewCells<'_>) -> Overview {
    let now = Signals::of(cells, period);
    let before = Signals::of(cells, period.previous());
    let tasks = Rows::of(cells.tasks, period);
    let screens = hotspots::rank(cells.screens, period, SESSIONS_MIN);
    let suppressed =
        [now.sessions.suppressed(), now.left_out(), tasks.suppressed(), screens.suppressed];
    let mut telling = Telling { withheld: suppressed.into_iter().sum() };
    let sessions_min = ("sessionsMin", float(SESSIONS_MIN));
    let thresholds: Vec<_> = TREND_THRESHOLDS.into_iter().chain([sessions_min]).collect();
    let previous = before.totals(&mut telling).filter(|totals| totals.sessions > 0);
    let all = now.sessions.get(ALL);
    Overview {
        note_of_the_day: note::note(&now, &before, period),
        totals: now.totals(&mut telling),
        previous: previous.map(|totals| {
            let Period { from, to } = period.previous();
            PreviousTotals { from, to, totals }
        }),
        contributions: now.contributions(&mut telling),
        incidents_by_rule: now.rules(&mut telling),
        tasks: task_counts(&tasks, all, &mut telling),
        top_hotspots: top(screens, all, &mut telling),
        basis: basis(asked, telling.withheld, &thresholds),
    }
}

/// All sessions of a period, and those that each signal was seen in.
pub(super) struct Signals {
    sessions: Rows,
    signals: Rows,
    /// Whether all that the signals add to the scores may stand beside what is told of them.
    index: bool,
    /// The same of the incidents.
    incidents: bool,
}

impl Signals {
    fn of(cells: &OverviewCells<'_>, period: Period) -> Self {
        let sessions = Rows::of(cells.overview, period);
        let mut signals = Rows::of(cells.rules, period);
        let adds = sessions.get(ALL).map(points).unwrap_or_default();
        let seen: BTreeMap<&str, Option<&Cell>> = adds
            .keys()
            .map(|signal| (*signal, None))
            .chain(signals.all().map(|(signal, cell)| (signal, Some(cell))))
            .collect();
        let behind: Vec<Actors> =
            seen.values().map(|cell| cell.map(Cell::behind_all).unwrap_or_default()).collect();
        let total = |size: &dyn Fn(&str, Option<&Cell>) -> i64| Total {
            parts: seen
                .iter()
                .map(|(signal, cell)| size(signal, *cell))
                .enumerate()
                .filter(|(_, size)| *size != 0)
                .collect(),
        };
        let totals = [
            total(&|signal, _| adds.get(signal).copied().unwrap_or_default()),
            total(&|signal, cell| cell.map_or(0, |cell| incidents(signal, cell))),
        ];
        let told = disclosure::decide(&behind, &totals, K_ANONYMITY);
        let hidden: Vec<String> = seen
            .keys()
            .zip(&told.parts)
            .filter(|(_, is_told)| !**is_told)
            .map(|(signal, _)| (*signal).to_owned())
            .collect();
        hidden.iter().for_each(|signal| signals.hide(signal));
        let is = |at: usize| told.totals.get(at).copied().unwrap_or_default();
        Self { sessions, signals, index: is(0), incidents: is(1) }
    }

    /// How many sessions there are, if that may be told.
    pub(super) fn count(&self) -> i64 {
        self.sessions.get(ALL).map_or(0, |all| all.sum("sessions"))
    }

    /// What a signal adds to the friction index; nothing is known of one that may not be told.
    pub(super) fn points(&self) -> BTreeMap<&str, f64> {
        let sessions = self.count();
        let all = self.sessions.get(ALL).map(points).unwrap_or_default();
        let told = all.into_iter().filter_map(|(signal, micro)| {
            self.signals.get(signal)?;
            Some((signal, mean_score(micro, sessions)?))
        });
        told.collect()
    }

    /// True when `signal` was seen, but may not be told.
    pub(super) fn is_withheld(&self, signal: &str) -> bool {
        let all = self.sessions.get(ALL);
        let is_seen = all.is_none_or(|all| all.sum(&format!("{PART}{signal}")) != 0);
        is_seen && self.signals.get(signal).is_none()
    }

    /// Signals that are not told, those among them of which nothing is known but what they add.
    fn left_out(&self) -> u64 {
        let all = self.sessions.get(ALL).map(points).unwrap_or_default();
        let untold = all.len().saturating_sub(self.points().len());
        u64::try_from(untold).unwrap_or(u64::MAX).max(self.signals.suppressed())
    }

    fn totals(&self, telling: &mut Telling) -> Option<Totals> {
        match self.sessions.get(ALL) {
            Some(all) => Some(self.told(all, telling)),
            // Nothing is nobody's.
            None if self.sessions.suppressed() == 0 => Some(Totals {
                incidents: Some(0),
                efficiency_sessions: Some(0),
                ..Totals::default()
            }),
            None => None,
        }
    }

    fn told(&self, all: &Cell, telling: &mut Telling) -> Totals {
        let sessions = all.sum("sessions");
        let (rated, high) = (all.sum("efficiencySessions"), "frustratedHigh");
        // A mean over the sessions of fewer actors than are asked for would tell about somebody.
        let is_rated = may_tell(rated, all.behind("efficiencySessions"), K_ANONYMITY);
        let minutes = float(all.sum("activeMs")) / float(MINUTE_MS);
        let incidents = telling.tell(self.incidents, all.sum("incidents"));
        let index = telling.tell(self.index, mean_score(all.sum("frustration"), sessions));
        let share = telling.tell(divides(all, high), ratio(all.sum(high), sessions));
        let efficiency = telling.tell(is_rated, mean_score(all.sum("efficiency"), rated));
        Totals {
            sessions: count(sessions),
            events: count(all.sum("events")),
            incidents: incidents.map(count),
            active_ms: count(all.sum("activeMs")),
            duration_ms: count(all.sum("durationMs")),
            friction_index: index.flatten(),
            friction_p90: p90(all),
            friction_rate: incidents
                .filter(|_| minutes > 0.0)
                .map(|incidents| rounded(float(incidents) / minutes)),
            frustrated_share: share.flatten(),
            efficiency_score: efficiency.flatten(),
            efficiency_sessions: telling.tell(divides(all, "efficiencySessions"), count(rated)),
        }
    }

    fn contributions(&self, telling: &mut Telling) -> Vec<SignalPart> {
        let index = self.sessions.get(ALL).map_or(0, |all| all.sum("frustration"));
        let index = mean_score(index, self.count()).unwrap_or_default();
        let mut parts: Vec<SignalPart> = Vec::new();
        for (signal, points) in self.points() {
            parts.push(SignalPart {
                signal: signal.to_owned(),
                points,
                share: if index > 0.0 { rounded(points / index) } else { 0.0 },
                sessions: self.signals.get(signal).and_then(|cell| self.sessions_of(cell, telling)),
            });
        }
        parts.sort_by(|a, b| b.points.total_cmp(&a.points).then_with(|| a.signal.cmp(&b.signal)));
        parts
    }

    fn rules(&self, telling: &mut Telling) -> Vec<RuleCount> {
        let mut rules: Vec<RuleCount> = Vec::new();
        for (name, cell) in self.signals.iter() {
            let incidents = count(incidents(name, cell));
            if let Some(rule) = Rule::parse(name).filter(|_| incidents > 0) {
                rules.push(RuleCount {
                    rule,
                    incidents,
                    sessions: self.sessions_of(cell, telling),
                });
            }
        }
        rules.sort_by_key(|row| (Reverse(row.incidents), row.rule));
        rules
    }

    /// The sessions of `part`, where nobody is found among the others.
    fn sessions_of(&self, part: &Cell, telling: &mut Telling) -> Option<u64> {
        telling.tell(leaves(self.sessions.get(ALL), part), count(part.sum("sessions")))
    }
}

/// What each signal adds to the frustration scores, in millionths.
fn points(all: &Cell) -> BTreeMap<&str, i64> {
    let parts =
        all.sums.iter().filter_map(|(name, micro)| Some((name.strip_prefix(PART)?, *micro)));
    parts.collect()
}

/// Incidents of `signal`, if it is a rule.
fn incidents(signal: &str, cell: &Cell) -> i64 {
    Rule::parse(signal).map_or(0, |_| cell.sum("incidents"))
}

/// The upper end of the bucket in which the nine tenths of the sessions end.
fn p90(all: &Cell) -> Option<f64> {
    let buckets: Vec<i64> = (0..BUCKETS).map(|at| all.sum(&format!("f{at:02}"))).collect();
    let total: i64 = buckets.iter().sum();
    let mut below = 0;
    for (at, sessions) in (1_u32..).zip(&buckets) {
        below += sessions;
        if total > 0 && below * 10 >= total * 9 {
            return Some(rounded(f64::from(at) / f64::from(BUCKETS)));
        }
    }
    None
}

fn task_counts(tasks: &Rows, all: Option<&Cell>, telling: &mut Telling) -> Vec<TaskCount> {
    let mut rows: Vec<(&str, &Cell)> = tasks.iter().collect();
    rows.sort_by_key(|(name, cell)| (Reverse(cell.sum("started")), *name));
    rows.truncate(TASKS_MAX);
    rows.into_iter().map(|(name, cell)| task_count(name, cell, all, telling)).collect()
}

/// The runs of a task beside those that ended in each way.
fn task_count(name: &str, cell: &Cell, all: Option<&Cell>, telling: &mut Telling) -> TaskCount {
    let runs = OUTCOMES.map(|outcome| cell.sum(outcome));
    let behind = OUTCOMES.map(|outcome| cell.behind(outcome).unwrap_or_default());
    let parts = runs.into_iter().enumerate().filter(|(_, runs)| *runs != 0).collect();
    let told = disclosure::decide(&behind, &[Total { parts }], K_ANONYMITY);
    let is_told = |at: usize| told.parts.get(at).copied().unwrap_or_default();
    let [completed, cancelled, abandoned] = [0, 1, 2].map(|at: usize| {
        let runs = runs.get(at).copied().unwrap_or_default();
        telling.tell(runs == 0 || is_told(at), runs)
    });
    let is_total = told.totals.first().copied().unwrap_or_default();
    let started = telling.tell(is_total, cell.sum("started"));
    TaskCount {
        task: name.to_owned(),
        sessions: telling.tell(leaves(all, cell), count(cell.sum("sessions"))),
        started: started.map(count),
        completed: completed.map(count),
        cancelled: cancelled.map(count),
        abandoned: abandoned.map(count),
        completion_rate: completed.zip(started).and_then(|(done, started)| ratio(done, started)),
    }
}

fn top(ranked: hotspots::Ranked, all: Option<&Cell>, telling: &mut Telling) -> Vec<TopHotspot> {
    let hurting = ranked.screens.into_iter().filter(|screen| screen.avg_friction() > 0.0);
    let mut lines = Vec::new();
    for screen in hurting.take(TOP_HOTSPOTS) {
        lines.push(TopHotspot {
            friction: screen.avg_friction(),
            impact_sessions: telling.tell(leaves(all, &screen.cell), count(screen.sessions())),
            trend: screen.trend(),
            previous_friction: screen.previous_friction(),
            screen_id: screen.name,
        });
    }
    lines
}

/// The one cell of its kind.
const ALL: &str = "";
/// What the sums of the signals' parts of the frustration scores begin with.
const PART: &str = "c.";
/// In which ways runs of a task end.
const OUTCOMES: [&str; 3] = ["completed", "cancelled", "abandoned"];
const BUCKETS: u32 = 20;
const TOP_HOTSPOTS: usize = 5;
const TASKS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use contract::insights::asked::Trend;

    use super::*;
    use crate::{
        cells::CellKind,
        insight::{
            rows::tests::{cell, days},
            tests::asked,
        },
    };

    const SESSIONS: (CellKind, &str) = (CellKind::Overview, "");
    const RAGE: (CellKind, &str) = (CellKind::Rule, "rage_click");

    /// An overview of days 2 and 3 with what is in `sessions` and `rules`.
    fn read(sessions: &[(CellKey, Cell)], rules: &[(CellKey, Cell)]) -> Overview {
        let period = days(2, 4);
        let cells = OverviewCells { overview: sessions, rules, screens: &[], tasks: &[] };
        overview(asked(period), period, &cells)
    }

    #[test]
    fn nothing_is_zero_sessions_and_no_score() {
        let told = read(&[], &[]);
        let nothing =
            Totals { incidents: Some(0), efficiency_sessions: Some(0), ..Totals::default() };
        assert_eq!(told.totals, Some(nothing));
        assert_eq!((told.previous, told.note_of_the_day, told.basis.suppressed), (None, None, 0));
    }

    #[test]
    fn four_actors_are_counted_as_left_out_and_nothing_is_said_about_them() {
        let told = read(&[cell(SESSIONS, 2, [1, 1, 1, 2, 3, 4], &[("frustration", 9)])], &[]);
        assert_eq!((told.totals, told.basis.suppressed), (None, 1));
        assert_eq!(told.basis.thresholds["actorsMin"], 5.0);
    }

    #[test]
    fn means_are_over_the_sample_that_stands_beside_them() {
        let sums = [
            ("frustration", 2_500_000),
            ("c.rage_click", 2_500_000),
            ("efficiency", 3_000_000),
            ("activeMs", 120_000),
            ("incidents", 6),
            ("f00", 8),
            ("f09", 1),
            ("f19", 1),
        ];
        let rage = cell(RAGE, 2, 0..5, &[("incidents", 6)]);
        let parts = [("frustratedHigh", 5), ("efficiencySessions", 5)];
        let told = read(&[of(10, &sums, &parts)], &[rage]).totals.unwrap();
        assert_eq!((told.sessions, told.friction_index), (10, Some(0.25)));
        assert_eq!((told.friction_p90, told.frustrated_share), (Some(0.5), Some(0.5)));
        assert_eq!((told.efficiency_score, told.efficiency_sessions), (Some(0.6), Some(5)));
        assert_eq!((told.incidents, told.friction_rate), (Some(6), Some(3.0)));
    }

    /// One session of each of so many actors on day 2, of whom the first so many are in each of `parts`.
    fn of(actors: u8, sums: &[(&str, i64)], parts: &[(&str, u8)]) -> (CellKey, Cell) {
        let (key, mut all) = cell(SESSIONS, 2, 0..actors, sums);
        for (name, part) in parts {
            (0..*part).for_each(|slot| all.add_of(name, slot, 1));
        }
        (key, all)
    }

    #[test]
    fn a_part_of_the_sessions_is_told_when_five_are_behind_it_and_five_behind_the_rest() {
        for (part, is_share, is_score) in [
            (0, true, true),
            (4, false, false),
            (5, true, true),
            (11, false, true),
            (15, true, true),
        ] {
            let sums = [("efficiency", 3_000_000)];
            let sessions = of(15, &sums, &[("frustratedHigh", part), ("efficiencySessions", part)]);
            let told = read(&[sessions], &[]);
            let totals = told.totals.unwrap();
            assert_eq!(totals.frustrated_share.is_some(), is_share, "{part}");
            assert_eq!(totals.efficiency_sessions, is_share.then_some(part.into()), "{part}");
            assert_eq!(totals.efficiency_score.is_some(), is_score && part > 0, "{part}");
            let untold = 2 * u64::from(!is_share) + u64::from(!is_score);
            assert_eq!(told.basis.suppressed, untold, "{part}");
        }
    }

    #[test]
    fn the_bucket_of_the_ninetieth_percentile_is_the_first_that_holds_nine_tenths() {
        for (buckets, expected) in [
            (vec![], None),
            (vec![("f00", 10)], Some(0.05)),
            (vec![("f00", 9), ("f19", 1)], Some(0.05)),
            (vec![("f00", 8), ("f19", 2)], Some(1.0)),
            (vec![("f03", 17), ("f04", 1), ("f10", 2)], Some(0.25)),
        ] {
            let (_, all) = cell(SESSIONS, 2, 0..5, &buckets);
            assert_eq!(p90(&all), expected, "{buckets:?}");
        }
    }

    #[test]
    fn a_part_is_told_when_five_actors_saw_its_signal() {
        let sums =
            [("frustration", 4_000_000), ("c.rage_click", 1_000_000), ("c.error", 3_000_000)];
        let sessions = [cell(SESSIONS, 2, 0..10, &sums)];
        let rules = |errors| {
            [
                cell(RAGE, 2, 0..5, &[("incidents", 7)]),
                cell((CellKind::Rule, "error"), 2, 0..errors, &[]),
            ]
        };
        let told = read(&sessions, &rules(5));
        let part = |signal: &str, points, share, sessions| SignalPart {
            signal: signal.to_owned(),
            points,
            share,
            sessions,
        };
        let (error, rage) =
            (part("error", 0.3, 0.75, Some(5)), part("rage_click", 0.1, 0.25, Some(5)));
        assert_eq!(told.contributions, [error, rage]);
        assert_eq!(told.basis.suppressed, 0);
        let rage_clicks = RuleCount { rule: Rule::RageClick, incidents: 7, sessions: Some(5) };
        assert_eq!(told.incidents_by_rule, [rage_clicks], "an error is no rule");
        // The index, less the only other part, would be that of the four.
        for rules in [&rules(4)[..], &rules(4)[..1]] {
            let told = read(&sessions, rules);
            assert_eq!((told.contributions, told.basis.suppressed), (vec![], 2));
            assert_eq!(told.totals.unwrap().friction_index, Some(0.4));
        }
    }

    #[test]
    fn without_enough_who_had_any_friction_neither_index_nor_incidents_are_told() {
        let sums = [("frustration", 1_000_000), ("c.rage_click", 1_000_000), ("activeMs", 60_000)];
        let rage = cell(RAGE, 2, 0..4, &[("incidents", 3)]);
        let told = read(&[of(20, &[("incidents", 3)], &[]), of(20, &sums, &[])], &[rage]);
        let totals = told.totals.unwrap();
        assert_eq!(
            (totals.friction_index, totals.incidents, totals.friction_rate),
            (None, None, None)
        );
        assert_eq!((totals.sessions, told.basis.suppressed), (40, 3));
    }

    #[test]
    fn how_many_sessions_saw_something_is_not_told_where_few_did_not() {
        let seen_by = |actors: u8| {
            let sums = [("frustration", 4_000_000), ("c.error", 4_000_000)];
            let error = cell((CellKind::Rule, "error"), 2, 0..actors, &[]);
            let mut told = read(&[of(20, &sums, &[])], &[error]);
            (told.contributions.remove(0).sessions, told.basis.suppressed)
        };
        assert_eq!(seen_by(15), (Some(15), 0));
        assert_eq!(seen_by(16), (None, 1));
        assert_eq!(seen_by(20), (Some(20), 0));
    }

    #[test]
    fn runs_of_a_task_are_told_so_that_none_is_the_rest() {
        let run = |outcomes: [u8; 3]| {
            let of = |(outcome, actors): (&&str, u8)| {
                let (key, mut task) = cell((CellKind::Task, "pay"), 2, 0..0, &[]);
                for slot in 0..actors {
                    task.see(slot);
                    task.add("sessions", 1);
                    task.add("started", 1);
                    task.add_of(outcome, slot, 1);
                }
                (key, task)
            };
            let tasks: Vec<_> = OUTCOMES.iter().zip(outcomes).map(of).collect();
            let cells = OverviewCells { overview: &[], rules: &[], screens: &[], tasks: &tasks };
            let mut told = overview(asked(days(2, 4)), days(2, 4), &cells);
            let row = told.tasks.remove(0);
            assert_eq!(row.completion_rate.is_some(), row.completed.is_some());
            [row.started, row.completed, row.cancelled, row.abandoned]
        };
        assert_eq!(run([9, 6, 5]), [Some(20), Some(9), Some(6), Some(5)]);
        assert_eq!(run([9, 6, 4]), [Some(19), Some(9), None, None]);
        assert_eq!(run([9, 0, 4]), [Some(13), None, Some(0), None]);
        assert_eq!(run([9, 0, 0]), [Some(9), Some(9), Some(0), Some(0)]);
    }

    #[test]
    fn the_note_is_about_the_part_that_changed_most() {
        let both = |before: i64, now: i64| {
            let sessions = |day, rage| {
                cell(SESSIONS, day, 0..20, &[("c.rage_click", rage), ("c.error", 400_000)])
            };
            let rules = |day| cell((CellKind::Rule, "error"), day, 0..20, &[]);
            let sessions = [sessions(1, before), sessions(2, now)];
            let rules = [rules(1), rules(2), cell(RAGE, 1, 0..9, &[]), cell(RAGE, 2, 0..9, &[])];
            read(&sessions, &rules).note_of_the_day
        };
        let note = both(400_000, 1_000_000).unwrap();
        assert_eq!(
            note.text,
            "rage_click adds 0.050 to the friction index, up from 0.020 in the 2 days before."
        );
        assert_eq!((note.points, note.previous_points, note.trend), (0.05, 0.02, Trend::Up));
        assert_eq!(both(1_000_000, 0).unwrap().trend, Trend::Down);
        assert_eq!(both(400_000, 420_000), None, "too small a change");
    }

    #[test]
    fn there_is_no_note_about_few_sessions_nor_about_a_part_that_may_not_be_told() {
        let read = |sessions: u8, actors_before: u8| {
            let all = |day, rage| cell(SESSIONS, day, 0..sessions, &[("c.rage_click", rage)]);
            let rules = [cell(RAGE, 1, 0..actors_before, &[]), cell(RAGE, 2, 0..9, &[])];
            read(&[all(1, 100_000), all(2, 2_000_000)], &rules).note_of_the_day.is_some()
        };
        assert!(read(20, 5));
        assert!(!read(19, 5));
        assert!(!read(20, 4));
    }

    #[test]
    fn the_period_before_stands_beside_it_when_it_may_be_told() {
        let sessions = |actors| [cell(SESSIONS, 1, 0..actors, &[]), cell(SESSIONS, 3, 0..7, &[])];
        let told = read(&sessions(6), &[]);
        let previous = told.previous.unwrap();
        assert_eq!((previous.from, previous.to), (days(0, 2).from, days(0, 2).to));
        assert_eq!((previous.totals.sessions, told.totals.unwrap().sessions), (6, 7));
        assert_eq!(read(&sessions(4), &[]).previous, None);
    }
}
