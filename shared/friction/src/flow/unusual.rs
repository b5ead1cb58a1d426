//! How unusual a way is: the surprise of its steps to somebody who knows where people usually go.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    counting::{self, FLOWS},
    sums::Sums,
};
use crate::{
    cells::{Cell, CellKey, CellKind, edge_of},
    score::math::{float, log2},
};

/// `s = −(1/m) Σ log2((n(a>b) + α) / (n(a) + α·|V|))` over the m steps of `path`, the one into it and the one out of it among
/// them: bits per step. V is every screen that steps lead to and those of the path; α = 0.5. Nothing for no path.
///
/// It is about the cells as well as the path, so it is asked when it is read and no part of a session.
#[must_use]
pub fn unusual(path: &[String], edges: &[(CellKey, Cell)]) -> Option<f64> {
    if path.is_empty() {
        return None;
    }
    let sums = Sums::of(edges, CellKind::Edge);
    let way: Vec<_> = counting::steps(path).collect();
    let mut targets: BTreeSet<&str> = way.iter().map(|(_, to)| to.as_ref()).collect();
    let mut leaving: BTreeMap<&str, i64> = BTreeMap::new();
    let mut steps: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (name, cell) in &sums.named {
        let Some((from, to)) = edge_of(name) else { continue };
        targets.insert(to);
        *leaving.entry(from).or_default() += cell.sum(FLOWS);
        steps.insert((from, to), cell.sum(FLOWS));
    }
    let spread = ALPHA * float(i64::try_from(targets.len()).unwrap_or(i64::MAX));
    let mut surprise = 0.0;
    for (from, to) in &way {
        let here = steps.get(&(from.as_ref(), to.as_ref())).copied().unwrap_or_default();
        let all = leaving.get(from.as_ref()).copied().unwrap_or_default();
        surprise -= log2((float(here) + ALPHA) / (float(all) + spread));
    }
    Some(surprise / float(i64::try_from(way.len()).unwrap_or(i64::MAX)))
}

const ALPHA: f64 = 0.5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::sample::{any_sessions, counted, rows, times, way};

    fn path(screens: &str) -> Vec<String> {
        screens.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_formula_is_the_one_that_is_written_down() {
        let edges = rows(&counted(&times(10, 0.0, way("/a /b"))));
        // V is /a, /b and the exit: each of the three steps has (10 + 0.5) / (10 + 1.5).
        let usual = unusual(&path("/a /b"), &edges).unwrap();
        assert!((usual + (10.5_f64 / 11.5).log2()).abs() < 1e-12);
        // The other way round V is the same, and no step was ever seen: 0.5 / 11.5, and the entry likewise.
        let other = unusual(&path("/b /a"), &edges).unwrap();
        assert!((other + (0.5_f64 / 11.5).log2()).abs() < 1e-12);
    }

    #[test]
    fn without_anything_to_compare_with_every_step_is_as_likely_as_any() {
        assert!((unusual(&path("/a"), &[]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(unusual(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn a_way_that_more_people_go_is_less_unusual(sessions in any_sessions(), screens in "[abc]( [abc]){1,3}") {
            let before = rows(&counted(&sessions));
            let more: Vec<_> = sessions.iter().cloned().chain(times(50, 0.0, way(&screens))).collect();
            let after = rows(&counted(&more));
            let of = |cells| unusual(&path(&screens), cells).unwrap();
            prop_assert!(of(&before) > 0.0);
            prop_assert!(of(&after) <= of(&before).max(2.0));
        }
    }
}
