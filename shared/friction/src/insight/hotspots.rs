//! Screens by how much they hurt how many.

use contract::{
    insights::{
        asked::Asked,
        hotspots::{Hotspot, Hotspots},
    },
    limits::K_ANONYMITY,
};

use super::{Period, Rows, TREND_THRESHOLDS, basis, count, mean_score, ratio, trend};
use crate::{
    cells::{Cell, CellKey, OTHER},
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
    let mut ranked = rank(cells, question.period, question.sessions_min);
    ranked.screens.truncate(question.limit);
    let sessions_min = ("sessionsMin", float(question.sessions_min));
    let thresholds: Vec<_> = TREND_THRESHOLDS.into_iter().chain([sessions_min]).collect();
    Hotspots {
        basis: basis(asked, ranked.suppressed, &thresholds),
        hotspots: ranked.screens,
        too_small: ranked.too_small,
    }
}

/// Screens in the order of what they cost, and how many are not among them.
pub(super) struct Ranked {
    pub(super) screens: Vec<Hotspot>,
    pub(super) suppressed: u64,
    pub(super) too_small: u64,
}

pub(super) fn rank(cells: &[(CellKey, Cell)], period: Period, sessions_min: i64) -> Ranked {
    let (now, before) = (Rows::of(cells, period), Rows::of(cells, period.previous()));
    let (large, small): (Vec<_>, Vec<_>) = now
        .iter()
        .filter(|(name, _)| *name != OTHER)
        .partition(|(_, cell)| cell.sum("sessions") >= sessions_min);
    let mut ranked: Vec<(i64, Hotspot)> = large
        .into_iter()
        .filter_map(|(name, cell)| {
            // Mean friction times sessions is the sum.
            let impact = cell.sum("frustration");
            Some((impact, hotspot(name, cell, before.get(name), sessions_min)?))
        })
        .collect();
    ranked.sort_by(|(a_impact, a), (b_impact, b)| {
        let size = b_impact.cmp(a_impact).then(b.sessions.cmp(&a.sessions));
        size.then_with(|| a.screen_id.cmp(&b.screen_id))
    });
    Ranked {
        screens: ranked.into_iter().map(|(_, screen)| screen).collect(),
        suppressed: now.suppressed(),
        too_small: u64::try_from(small.len()).unwrap_or(u64::MAX),
    }
}

fn hotspot(name: &str, cell: &Cell, before: Option<&Cell>, sessions_min: i64) -> Option<Hotspot> {
    let sessions = cell.sum("sessions");
    let avg_friction = mean_score(cell.sum("frustration"), sessions)?;
    let rated = cell.sum("efficiencySessions");
    let is_told = usize::try_from(rated).is_ok_and(|rated| rated >= K_ANONYMITY);
    let before = before.filter(|cell| cell.sum("sessions") >= sessions_min);
    let previous = before.and_then(|cell| {
        let sessions = cell.sum("sessions");
        Some((mean_score(cell.sum("frustration"), sessions)?, sessions))
    });
    let visits = cell.sum("visits");
    Some(Hotspot {
        screen_id: name.to_owned(),
        sessions: count(sessions),
        avg_friction,
        impact: mean_score(cell.sum("frustration"), 1)?,
        avg_efficiency: mean_score(cell.sum("efficiency"), rated).filter(|_| is_told),
        rage_click_rate: ratio(cell.sum("rageSessions"), sessions)?,
        dropoff_rate: ratio(cell.sum("exits"), sessions)?,
        incidents: count(cell.sum("incidents")),
        avg_time_spent_ms: (visits > 0).then(|| count(cell.sum("dwellMs") / visits)),
        trend: previous.map(|(previous, _)| trend(avg_friction, previous)),
        previous_friction: previous.map(|(previous, _)| previous),
        previous_sessions: previous.map(|(_, sessions)| count(sessions)),
    })
}

/// Fewer sessions say nothing about a screen, nor about a change.
pub const SESSIONS_MIN: i64 = 20;

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
        let cells = [
            saw("/small", 2, 19, 9_000_000),
            saw("/alone", 2, 4, 4_000_000),
            saw(OTHER, 2, 60, 60_000_000),
        ];
        let told = read(10, &cells);
        assert_eq!(names(&told), Vec::<&str>::new());
        assert_eq!((told.too_small, told.basis.suppressed), (1, 1));
        assert_eq!(told.basis.thresholds["sessionsMin"], 20.0);
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
