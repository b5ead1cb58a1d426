//! What is read from the cells: each number with its sample, its thresholds, and what was left out.
//!
//! A cell with fewer than [`K_ANONYMITY`] actors is never told, and counted as suppressed. The same holds for what is left
//! when one number of an answer is subtracted from another one, see [`crate::disclosure`].

mod flows;
mod hotspots;
mod note;
mod overview;
pub mod period;
mod replay;
mod rows;
mod trace;
mod unusual;

pub use flows::{flow_graph, top_flows};
pub use hotspots::{HotspotQuestion, SESSIONS_MIN, hotspots};
pub use overview::{OverviewCells, overview};
pub use period::Period;
pub use replay::Replay;
pub use rows::Rows;
pub use trace::trace;
pub use unusual::{unusual, unusual_sessions};

use std::collections::BTreeMap;

use contract::{
    insights::asked::{Asked, Basis, Trend},
    limits::K_ANONYMITY,
};

use crate::{
    cells::Cell,
    disclosure::may_tell,
    score::{math::float, model},
};

/// What numbers about `asked` are based on when `suppressed` sums were left out and `thresholds` used.
fn basis(asked: Asked, suppressed: u64, thresholds: &[(&str, f64)]) -> Basis {
    let k = i64::try_from(K_ANONYMITY).unwrap_or(i64::MAX);
    let named = thresholds.iter().map(|(name, value)| ((*name).to_owned(), *value));
    let thresholds: BTreeMap<String, f64> =
        named.chain([("actorsMin".to_owned(), float(k))]).collect();
    let models = [model::FRUSTRATION, model::EFFICIENCY].map(str::to_owned).into();
    Basis { asked, suppressed, models, thresholds }
}

/// `part` of `whole`; nothing of nothing.
fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| rounded(float(part) / float(whole)))
}

/// The mean of scores that were summed up in millionths.
fn mean_score(micro: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| rounded(float(micro) / float(count) / MICRO))
}

/// To millionths: more is noise of the arithmetic.
fn rounded(value: f64) -> f64 {
    (value * MICRO).round() / MICRO
}

/// Numbers that are told, and how many are not.
#[derive(Debug, Default)]
struct Telling {
    withheld: u64,
}

impl Telling {
    /// `number`, where it may be told; otherwise it is counted.
    fn tell<T>(&mut self, may: bool, number: T) -> Option<T> {
        self.withheld += u64::from(!may);
        may.then_some(number)
    }
}

/// True when nobody is found by the sum of `cell` called `name`, nor by what is left of its sessions, where that counts
/// sessions.
fn divides(cell: &Cell, name: &str) -> bool {
    let part = cell.sum(name);
    let rest = cell.sum("sessions") - part;
    may_tell(part, cell.behind(name), K_ANONYMITY)
        && may_tell(rest, cell.behind_the_rest_of(name), K_ANONYMITY)
}

/// True when nobody is found by subtracting the sessions of `part` from all of them.
fn leaves(all: Option<&Cell>, part: &Cell) -> bool {
    all.is_none_or(|all| {
        let rest = all.sum("sessions") - part.sum("sessions");
        may_tell(rest, all.behind_all_but(part), K_ANONYMITY)
    })
}

/// A sum of what cannot be negative.
fn count(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or_default()
}

/// Which way a mean score went.
fn trend(now: f64, before: f64) -> Trend {
    let least = TREND_ABSOLUTE_MIN.max(before * TREND_RELATIVE_MIN);
    if now - before >= least {
        Trend::Up
    } else if before - now >= least {
        Trend::Down
    } else {
        Trend::Flat
    }
}

const MICRO: f64 = 1_000_000.0;
/// Mean scores that differ by less are equal.
const TREND_ABSOLUTE_MIN: f64 = 0.005;
/// Mean scores that differ by a smaller part of the earlier one are equal.
const TREND_RELATIVE_MIN: f64 = 0.1;
/// What a trend was judged by.
const TREND_THRESHOLDS: [(&str, f64); 2] =
    [("trendAbsoluteMin", TREND_ABSOLUTE_MIN), ("trendRelativeMin", TREND_RELATIVE_MIN)];

#[cfg(test)]
mod tests {
    use contract::OrgId;

    use super::*;

    pub(super) fn asked(period: Period) -> Asked {
        Asked {
            org_id: Some(OrgId::parse("acme").unwrap()),
            product_id: None,
            from: period.from,
            to: period.to,
            as_of: period.to,
        }
    }

    #[test]
    fn a_trend_needs_a_difference_of_a_tenth_and_of_five_thousandths() {
        for (now, before, expected) in [
            (0.300, 0.300, Trend::Flat),
            (0.329, 0.300, Trend::Flat),
            (0.331, 0.300, Trend::Up),
            (0.269, 0.300, Trend::Down),
            (0.014, 0.010, Trend::Flat),
            (0.016, 0.010, Trend::Up),
            (0.000, 0.004, Trend::Flat),
            (0.006, 0.000, Trend::Up),
        ] {
            assert_eq!(trend(now, before), expected, "{now} after {before}");
        }
    }
}
