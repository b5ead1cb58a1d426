//! Screens by how much they hurt how many.
//!
//! How many left on a screen, or had an incident there, is told when at least as many sessions did as actors are asked for, and as
//! many did not: it is sessions that are counted and not actors, since keeping who is behind each number would more than double
//! what an overview of many screens reads.

use contract::{
    insights::{
        asked::{Asked, Trend},
        hotspots::{Hotspot, Hotspots},
    },
    limits::K_ANONYMITY,
};

use super::{Period, Rows, TREND_THRESHOLDS, Telling, basis, count, mean_score, ratio, trend};
use crate::{
    cells::{Cell, CellKey},
    score::math::float,
};

/// Which screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotspotQuestion {
    /// When their sessions began.
    pub period: Period,
    /// Only those that at least so many sessions saw.
    pub sessions_min: i64,
    /// At most so many.
    pub limit: usize,
}

/// Screens, the one that hurts most first. `cells` hold those of the period before as well.
#[must_use]
pub fn hotspots(asked: Asked, question: HotspotQuestion, cells: &[(CellKey, Cell)]) -> Hotspots {
    let ranked = rank(cells, question.period, question.sessions_min);
    let mut telling = Telling { withheld: ranked.suppressed };
    let first = ranked.screens.iter().take(question.limit);
    let hotspots = first.map(|screen| screen.told(&mut telling)).collect();
    let sessions_min = ("sessionsMin", float(question.sessions_min));
    let thresholds: Vec<_> = TREND_THRESHOLDS.into_iter().chain([sessions_min]).collect();
    Hotspots {
        basis: basis(asked, telling.withheld, &thresholds),
        hotspots,
        too_small: ranked.too_small,
    }
}

/// Screens in the order of what they cost, and how many are not among them.
pub(super) struct Ranked {
    pub(super) screens: Vec<Screen>,
    pub(super) suppressed: u64,
    pub(super) too_small: u64,
}

/// A screen that enough saw.
pub(super) struct Screen {
    pub(super) name: String,
    pub(super) cell: Cell,
    /// Mean friction and sessions in the period before, if that has enough of them.
    before: Option<(f64, i64)>,
}

pub(super) fn rank(cells: &[(CellKey, Cell)], period: Period, sessions_min: i64) -> Ranked {
    let (now, before) = (Rows::of(cells, period), Rows::of(cells, period.previous()));
    let suppressed = now.suppressed();
    let (large, small): (Vec<_>, Vec<_>) =
        now.into_told().partition(|(_, cell)| cell.sum("sessions") >= sessions_min);
    let mut screens: Vec<Screen> = large
        .into_iter()
        .map(|(name, cell)| {
            let before = before.get(&name).filter(|cell| cell.sum("sessions") >= sessions_min);
            let before = before.and_then(|cell| {
                let sessions = cell.sum("sessions");
                Some((mean_score(cell.sum("frustration"), sessions)?, sessions))
            });
            Screen { name, cell, before }
        })
        .collect();
    screens.sort_by(|a, b| {
        // Mean friction times sessions is the sum.
        let impact = b.cell.sum("frustration").cmp(&a.cell.sum("frustration"));
        let size = impact.then_with(|| b.cell.sum("sessions").cmp(&a.cell.sum("sessions")));
        size.then_with(|| a.name.cmp(&b.name))
    });
    Ranked { screens, suppressed, too_small: u64::try_from(small.len()).unwrap_or(u64::MAX) }
}

impl Screen {
    pub(super) fn sessions(&self) -> i64 {
        self.cell.sum("sessions")
    }

    pub(super) fn avg_friction(&self) -> f64 {
        mean_score(self.cell.sum("frustration"), self.sessions()).unwrap_or_default()
    }

    pub(super) fn previous_friction(&self) -> Option<f64> {
        self.before.map(|(friction, _)| friction)
    }

    pub(super) fn trend(&self) -> Option<Trend> {
        self.previous_friction().map(|previous| trend(self.avg_friction(), previous))
    }

    fn told(&self, telling: &mut Telling) -> Hotspot {
        let Self { cell, .. } = self;
        let (sessions, visits) = (self.sessions(), cell.sum("visits"));
        let mut rate = |name| {
            let part = cell.sum(name);
            let may = is_enough(part) && is_enough(sessions - part);
            telling.tell(may, ratio(part, sessions)).flatten()
        };
        let (rage_click_rate, dropoff_rate) = (rate("rageSessions"), rate("exits"));
        let incidents = cell.sum("incidents");
        // Before it was counted who had them, nobody knows.
        let may = incidents == 0
            || cell.sum("incidentSessions") > 0 && is_enough(cell.sum("incidentSessions"));
        let incidents = telling.tell(may, count(incidents));
        let rated = cell.sum("efficiencySessions");
        let is_rated = usize::try_from(rated).is_ok_and(|rated| rated >= K_ANONYMITY);
        Hotspot {
            screen_id: self.name.clone(),
            sessions: count(sessions),
            avg_friction: self.avg_friction(),
            impact: mean_score(cell.sum("frustration"), 1).unwrap_or_default(),
            avg_efficiency: mean_score(cell.sum("efficiency"), rated).filter(|_| is_rated),
            rage_click_rate,
            dropoff_rate,
            incidents,
            avg_time_spent_ms: (visits > 0).then(|| count(cell.sum("dwellMs") / visits)),
            trend: self.trend(),
            previous_friction: self.previous_friction(),
            previous_sessions: self.before.map(|(_, sessions)| count(sessions)),
        }
    }
}

/// True for no sessions, and for as many as actors are asked for.
fn is_enough(sessions: i64) -> bool {
    sessions == 0 || usize::try_from(sessions).is_ok_and(|sessions| sessions >= K_ANONYMITY)
}

/// Fewer sessions say nothing about a screen, nor about a change.
pub const SESSIONS_MIN: i64 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::CellKind,
        insight::{
            rows::tests::{cell, days},
            tests::asked,
        },
    };

    /// Sessions of as many actors on `day` that saw `screen`, with a sum of friction.
    fn saw(screen: &str, day: i64, sessions: u8, frustration: i64) -> (CellKey, Cell) {
        cell((CellKind::Screen, screen), day, 0..sessions, &[("frustration", frustration)])
    }

    fn read(limit: usize, cells: &[(CellKey, Cell)]) -> Hotspots {
        let period = days(2, 3);
        hotspots(asked(period), HotspotQuestion { period, sessions_min: 20, limit }, cells)
    }

    fn names(hotspots: &Hotspots) -> Vec<&str> {
        hotspots.hotspots.iter().map(|screen| screen.screen_id.as_str()).collect()
    }

    #[test]
    fn what_hurts_many_a_little_is_before_what_hurts_few_much() {
        let cells = [
            saw("/few", 2, 20, 10_000_000),
            saw("/many", 2, 60, 12_000_000),
            saw("/b", 2, 20, 100),
            saw("/a", 2, 20, 100),
        ];
        assert_eq!(names(&read(10, &cells)), ["/many", "/few", "/a", "/b"]);
        assert_eq!(names(&read(1, &cells)), ["/many"]);
        let few = &read(10, &cells).hotspots[1];
        assert_eq!((few.avg_friction, few.impact, few.sessions), (0.5, 10.0, 20));
    }

    #[test]
    fn a_screen_of_too_few_is_counted_and_not_ranked() {
        let cells = [saw("/small", 2, 19, 9_000_000), saw("/alone", 2, 4, 4_000_000)];
        let told = read(10, &cells);
        assert_eq!(names(&told), Vec::<&str>::new());
        assert_eq!((told.too_small, told.basis.suppressed), (1, 1));
        assert_eq!(told.basis.thresholds["sessionsMin"], 20.0);
    }

    #[test]
    fn no_name_of_a_screen_is_taken_for_something_else() {
        let told = read(10, &[saw(crate::cells::OTHER, 2, 60, 1), saw("^", 2, 20, 0)]);
        assert_eq!(names(&told), ["~other", "^"]);
    }

    #[test]
    fn a_rate_is_told_when_five_sessions_are_behind_it_and_five_are_not() {
        let read = |left: i64, of: u8| {
            let sums = [("exits", left), ("incidents", left * 2), ("incidentSessions", left)];
            let cells = [cell((CellKind::Screen, "/pay"), 2, 0..of, &sums)];
            let question = HotspotQuestion { period: days(2, 3), sessions_min: 1, limit: 9 };
            let mut told = hotspots(asked(days(2, 3)), question, &cells);
            let row = told.hotspots.remove(0);
            (row.dropoff_rate, row.incidents, told.basis.suppressed)
        };
        assert_eq!(read(0, 15), (Some(0.0), Some(0), 0));
        assert_eq!(read(4, 15), (None, None, 2));
        assert_eq!(read(5, 15), (Some(0.333_333), Some(10), 0));
        assert_eq!(read(10, 15), (Some(0.666_667), Some(20), 0));
        assert_eq!(read(11, 15), (None, Some(22), 1));
        assert_eq!(read(15, 15), (Some(1.0), Some(30), 0));
    }

    #[test]
    fn a_trend_is_told_with_both_values_when_the_period_before_says_enough() {
        let read = |before: u8, frustration| {
            read(9, &[saw("/pay", 2, 20, 6_000_000), saw("/pay", 1, before, frustration)])
                .hotspots
                .remove(0)
        };
        let up = read(20, 4_000_000);
        assert_eq!((up.trend, up.previous_friction), (Some(Trend::Up), Some(0.2)));
        assert_eq!((up.avg_friction, up.previous_sessions), (0.3, Some(20)));
        assert_eq!(read(40, 12_000_000).trend, Some(Trend::Flat));
        assert_eq!(read(40, 20_000_000).trend, Some(Trend::Down));
        let too_few = read(19, 4_000_000);
        assert_eq!((too_few.trend, too_few.previous_friction), (None, None));
    }
}
