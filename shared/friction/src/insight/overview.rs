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
    Period, Rows, TREND_THRESHOLDS, basis, count, hotspots, hotspots::SESSIONS_MIN, mean_score,
    note, ratio, rounded,
};
use crate::{
    cells::{Cell, CellKey, OTHER},
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
    let (contributions, untold) = now.contributions();
    let left_out = [
        now.sessions.suppressed(),
        untold,
        now.signals.suppressed(),
        tasks.suppressed(),
        screens.suppressed,
    ];
    let sessions_min = ("sessionsMin", float(SESSIONS_MIN));
    let thresholds: Vec<_> = TREND_THRESHOLDS.into_iter().chain([sessions_min]).collect();
    Overview {
        note_of_the_day: note::note(&now, &before, period),
        totals: now.totals(),
        previous: before.totals().filter(|totals| totals.sessions > 0).map(|totals| {
            let Period { from, to } = period.previous();
            PreviousTotals { from, to, totals }
        }),
        contributions,
        incidents_by_rule: now.rules(),
        tasks: task_counts(&tasks),
        top_hotspots: top(screens),
        basis: basis(asked, left_out.into_iter().sum(), &thresholds),
    }
}

/// All sessions of a period, and those that each signal was seen in.
pub(super) struct Signals {
    sessions: Rows,
    signals: Rows,
}

impl Signals {
    fn of(cells: &OverviewCells<'_>, period: Period) -> Self {
        Self { sessions: Rows::of(cells.overview, period), signals: Rows::of(cells.rules, period) }
    }

    /// How many sessions there are, if that may be told.
    pub(super) fn count(&self) -> i64 {
        self.sessions.get(ALL).map_or(0, |all| all.sum("sessions"))
    }

    /// What a signal adds to the friction index; nothing is known of one that may not be told.
    pub(super) fn points(&self) -> BTreeMap<&str, f64> {
        let sessions = self.count();
        let Some(all) = self.sessions.get(ALL) else { return BTreeMap::new() };
        let told = all.sums.iter().filter_map(|(name, micro)| {
            let signal = name.strip_prefix(PART)?;
            self.signals.get(signal)?;
            Some((signal, mean_score(*micro, sessions)?))
        });
        told.collect()
    }

    /// True when `signal` was seen, but in the sessions of too few.
    pub(super) fn is_withheld(&self, signal: &str) -> bool {
        let all = self.sessions.get(ALL);
        let is_seen = all.is_none_or(|all| all.sum(&format!("{PART}{signal}")) != 0);
        is_seen && self.signals.get(signal).is_none()
    }

    fn totals(&self) -> Option<Totals> {
        match self.sessions.get(ALL) {
            Some(all) => Some(totals(all)),
            // Nothing is nobody's.
            None if self.sessions.suppressed() == 0 => Some(Totals::default()),
            None => None,
        }
    }

    /// The parts that may be told, and how many parts are kept back although nothing else says so.
    fn contributions(&self) -> (Vec<SignalPart>, u64) {
        let index = self.sessions.get(ALL).map_or(0, |all| all.sum("frustration"));
        let index = mean_score(index, self.count()).unwrap_or_default();
        let mut parts: Vec<SignalPart> = Vec::new();
        for (signal, points) in self.points() {
            let sessions = self.signals.get(signal).map_or(0, |cell| cell.sum("sessions"));
            let share = if index > 0.0 { rounded(points / index) } else { 0.0 };
            parts.push(SignalPart {
                signal: signal.to_owned(),
                points,
                share,
                sessions: count(sessions),
            });
        }
        parts.sort_by(|a, b| b.points.total_cmp(&a.points).then_with(|| a.signal.cmp(&b.signal)));
        let all = self.sessions.get(ALL).into_iter().flat_map(|all| all.sums.keys());
        let seen = all.filter(|name| name.starts_with(PART)).count();
        let hidden = seen.saturating_sub(parts.len());
        let hidden = u64::try_from(hidden).unwrap_or(u64::MAX);
        (parts, hidden.saturating_sub(self.signals.suppressed()))
    }

    fn rules(&self) -> Vec<RuleCount> {
        let rules = self.signals.iter().filter_map(|(name, cell)| {
            let incidents = count(cell.sum("incidents"));
            let rule = Rule::parse(name).filter(|_| incidents > 0)?;
            Some(RuleCount { rule, incidents, sessions: count(cell.sum("sessions")) })
        });
        let mut rules: Vec<RuleCount> = rules.collect();
        rules.sort_by_key(|row| (Reverse(row.incidents), row.rule));
        rules
    }
}

fn totals(all: &Cell) -> Totals {
    let sessions = all.sum("sessions");
    // A mean over fewer sessions than actors are asked for would tell about somebody.
    let rated = all.sum("efficiencySessions");
    let is_told = usize::try_from(rated).is_ok_and(|rated| rated >= K_ANONYMITY);
    let minutes = float(all.sum("activeMs")) / float(MINUTE_MS);
    let incidents = all.sum("incidents");
    Totals {
        sessions: count(sessions),
        events: count(all.sum("events")),
        incidents: count(incidents),
        active_ms: count(all.sum("activeMs")),
        duration_ms: count(all.sum("durationMs")),
        friction_index: mean_score(all.sum("frustration"), sessions),
        friction_p90: p90(all),
        friction_rate: (minutes > 0.0).then(|| rounded(float(incidents) / minutes)),
        frustrated_share: ratio(all.sum("frustratedHigh"), sessions),
        efficiency_score: mean_score(all.sum("efficiency"), rated).filter(|_| is_told),
        efficiency_sessions: if is_told { count(rated) } else { 0 },
    }
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

fn task_counts(tasks: &Rows) -> Vec<TaskCount> {
    let counts = tasks.iter().map(|(name, cell)| TaskCount {
        task: name.to_owned(),
        sessions: count(cell.sum("sessions")),
        started: count(cell.sum("started")),
        completed: count(cell.sum("completed")),
        cancelled: count(cell.sum("cancelled")),
        abandoned: count(cell.sum("abandoned")),
        completion_rate: ratio(cell.sum("completed"), cell.sum("started")),
    });
    let mut counts: Vec<TaskCount> = counts.filter(|row| row.task != OTHER).collect();
    counts.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.task.cmp(&b.task)));
    counts.truncate(TASKS_MAX);
    counts
}

fn top(ranked: hotspots::Ranked) -> Vec<TopHotspot> {
    let hurting = ranked.screens.into_iter().filter(|screen| screen.avg_friction > 0.0);
    let lines = hurting.map(|screen| TopHotspot {
        screen_id: screen.screen_id,
        friction: screen.avg_friction,
        impact_sessions: screen.sessions,
        trend: screen.trend,
        previous_friction: screen.previous_friction,
    });
    lines.take(TOP_HOTSPOTS).collect()
}

/// The one cell of its kind.
const ALL: &str = "";
/// What the sums of the signals' parts of the frustration scores begin with.
const PART: &str = "c.";
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
        assert_eq!(told.totals, Some(Totals::default()));
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
            ("frustratedHigh", 2),
            ("efficiency", 3_000_000),
            ("efficiencySessions", 5),
            ("activeMs", 120_000),
            ("incidents", 6),
            ("f00", 8),
            ("f09", 1),
            ("f19", 1),
        ];
        let told = read(&[cell(SESSIONS, 2, 0..10, &sums)], &[]).totals.unwrap();
        assert_eq!((told.sessions, told.friction_index), (10, Some(0.25)));
        assert_eq!((told.friction_p90, told.frustrated_share), (Some(0.5), Some(0.2)));
        assert_eq!((told.efficiency_score, told.efficiency_sessions), (Some(0.6), 5));
        assert_eq!(told.friction_rate, Some(3.0));
    }

    #[test]
    fn an_efficiency_of_four_sessions_is_not_told() {
        let sums = [("efficiency", 3_000_000), ("efficiencySessions", 4)];
        let told = read(&[cell(SESSIONS, 2, 0..10, &sums)], &[]).totals.unwrap();
        assert_eq!((told.efficiency_score, told.efficiency_sessions), (None, 0));
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
        let (error, rage) = (part("error", 0.3, 0.75, 5), part("rage_click", 0.1, 0.25, 5));
        assert_eq!(told.contributions, [error, rage.clone()]);
        assert_eq!(told.basis.suppressed, 0);
        let rage_clicks = RuleCount { rule: Rule::RageClick, incidents: 7, sessions: 5 };
        assert_eq!(told.incidents_by_rule, [rage_clicks], "an error is no rule");
        let told = read(&sessions, &rules(4));
        assert_eq!((told.contributions, told.basis.suppressed), (vec![rage.clone()], 1));
        let told = read(&sessions, &rules(4)[..1]);
        assert_eq!((told.contributions, told.basis.suppressed), (vec![rage], 1));
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
