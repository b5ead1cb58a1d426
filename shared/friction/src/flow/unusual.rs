//! How unusual ways are: the surprise of their steps to somebody who knows where people usually go.

use std::collections::{BTreeMap, BTreeSet};

use contract::session::Flow;

use super::{
    counting::{self, FLOWS, Way},
    sums::{Sums, count},
};
use crate::{
    cells::{Cell, CellKey, CellKind, edge_of},
    score::math::{float, log2},
};

/// Where people usually go, whatever days and products it is of.
#[derive(Debug, Clone)]
pub struct Usual {
    steps: BTreeMap<String, BTreeMap<String, i64>>,
    /// Screens that steps lead to, the exit among them.
    targets: BTreeSet<String>,
    /// Surprise of each way that is kept, the least first, with the number of flows until there.
    ways: Vec<(f64, i64)>,
    /// Flows, those whose ways are not kept among them.
    flows: i64,
    /// At least so many actors.
    actors: usize,
}

/// The surprise of a session's steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Surprise {
    /// `s = −(1/m) Σ log2((n(a>b) + α) / (n(a) + α·|V|))` over the m steps of all flows, the one into each and the one out of
    /// it among them: bits per step. V is every screen that steps lead to and those of the flows; α = 0.5.
    pub bits: f64,
    /// The least likely step, and how likely it is.
    pub rarest: (String, String, f64),
}

impl Usual {
    /// What `edges` and `variants` hold.
    #[must_use]
    pub fn of(edges: &[(CellKey, Cell)], variants: &[(CellKey, Cell)]) -> Self {
        let sums = Sums::of(edges, CellKind::Edge);
        let mut usual = Self {
            steps: BTreeMap::new(),
            targets: BTreeSet::new(),
            ways: Vec::new(),
            flows: 0,
            actors: 0,
        };
        let mut everybody = Cell::default();
        for (name, cell) in &sums.named {
            let Some((from, to)) = edge_of(name) else { continue };
            usual.targets.insert(to.to_owned());
            let from = usual.steps.entry(from.to_owned()).or_default();
            *from.entry(to.to_owned()).or_default() += cell.sum(FLOWS);
            everybody += cell;
        }
        usual.actors = everybody.actors_at_least();
        usual.rank(variants);
        usual
    }

    /// Flows that are known, by whatever way.
    #[must_use]
    pub fn flows(&self) -> u64 {
        count(self.flows)
    }

    /// At least so many actors are behind it.
    #[must_use]
    pub fn actors_at_least(&self) -> usize {
        self.actors
    }

    /// How surprising `flows` are; nothing for none.
    ///
    /// It is about what is usual as well as about the flows, so it is asked when it is read and no part of a session.
    #[must_use]
    pub fn surprise(&self, flows: &[Flow]) -> Option<Surprise> {
        self.over(flows.iter().map(|flow| flow.path.as_slice()))
    }

    /// The part of all flows that are less surprising than `bits`, 0 to 1; those whose ways are not kept are not among them.
    #[must_use]
    pub fn below(&self, bits: f64) -> f64 {
        let at = self.ways.partition_point(|(surprise, _)| *surprise < bits - NOISE);
        let below = at.checked_sub(1).and_then(|last| self.ways.get(last)).map_or(0, |(_, n)| *n);
        if self.flows > 0 { float(below) / float(self.flows) } else { 0.0 }
    }

    fn rank(&mut self, variants: &[(CellKey, Cell)]) {
        let sums = Sums::of(variants, CellKind::Variant);
        self.flows = sums.total;
        let known = sums.named.values().filter_map(|cell| {
            let way = Way::read(cell.note.as_deref()?)?;
            Some((self.over([way.path.as_slice()])?.bits, cell.sum(FLOWS)))
        });
        let mut ways: Vec<(f64, i64)> = known.collect();
        ways.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut until = 0_i64;
        for (_, flows) in &mut ways {
            until = until.saturating_add(*flows);
            *flows = until;
        }
        self.ways = ways;
    }

    fn over<'a>(&self, paths: impl IntoIterator<Item = &'a [String]>) -> Option<Surprise> {
        let steps: Vec<_> =
            paths.into_iter().filter(|path| !path.is_empty()).flat_map(counting::steps).collect();
        let new: BTreeSet<&str> = steps
            .iter()
            .map(|(_, to)| to.as_ref())
            .filter(|to| !self.targets.contains(*to))
            .collect();
        let screens = i64::try_from(self.targets.len() + new.len()).unwrap_or(i64::MAX);
        let spread = ALPHA * float(screens);
        let mut bits = 0.0;
        let mut rarest: Option<(&str, &str, f64)> = None;
        for (from, to) in &steps {
            let leaving = self.steps.get(from.as_ref());
            let all: i64 = leaving.map(|ways| ways.values().sum()).unwrap_or_default();
            let here = leaving.and_then(|ways| ways.get(to.as_ref())).copied().unwrap_or_default();
            let likelihood = (float(here) + ALPHA) / (float(all) + spread);
            bits -= log2(likelihood);
            if rarest.is_none_or(|(.., least)| likelihood < least) {
                rarest = Some((from, to, likelihood));
            }
        }
        let (from, to, likelihood) = rarest?;
        let steps = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        let rarest = (from.to_owned(), to.to_owned(), likelihood);
        Some(Surprise { bits: bits / float(steps), rarest })
    }
}

const ALPHA: f64 = 0.5;
/// Surprises that differ by less are equal: the order of adding makes that much.
const NOISE: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use contract::session::Session;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cells::OTHER,
        flow::sample::{any_sessions, counted, flow, rows, times, way},
    };

    fn usual(sessions: &[Session]) -> Usual {
        let cells = rows(&counted(sessions));
        Usual::of(&cells, &cells)
    }

    fn bits(usual: &Usual, screens: &str) -> f64 {
        usual.surprise(&[way(screens)]).unwrap().bits
    }

    #[test]
    fn the_formula_is_the_one_that_is_written_down() {
        let usual = usual(&times(10, 0.0, way("/a /b")));
        // V is /a, /b and the exit: each of the three steps has (10 + 0.5) / (10 + 1.5).
        assert!((bits(&usual, "/a /b") + (10.5_f64 / 11.5).log2()).abs() < 1e-12);
        // The other way round V is the same, and no step was ever seen: 0.5 / 11.5, and the entry likewise.
        assert!((bits(&usual, "/b /a") + (0.5_f64 / 11.5).log2()).abs() < 1e-12);
        // A screen that nobody saw is one more that could have been next.
        let surprise = usual.surprise(&[way("/a /new")]).unwrap();
        let expected = [10.5 / 12.0, 0.5 / 12.0, 0.5 / 2.0_f64];
        let mean = expected.iter().map(|likelihood| -likelihood.log2()).sum::<f64>() / 3.0;
        assert!((surprise.bits - mean).abs() < 1e-12);
        assert_eq!(surprise.rarest, ("/a".to_owned(), "/new".to_owned(), 0.5 / 12.0));
    }

    #[test]
    fn a_session_is_as_surprising_as_the_steps_of_its_flows_on_average() {
        let usual = usual(&times(10, 0.0, way("/a /b")));
        let two = usual.surprise(&[way("/a /b"), way("/b /a")]).unwrap().bits;
        let apart = (bits(&usual, "/a /b") + bits(&usual, "/b /a")) / 2.0;
        assert!((two - apart).abs() < 1e-12);
        assert_eq!(usual.surprise(&[]), None);
    }

    #[test]
    fn without_anything_to_compare_with_every_step_is_as_likely_as_any() {
        let nothing = usual(&[]);
        assert!((bits(&nothing, "/a /b") - 3.0_f64.log2()).abs() < 1e-12);
        assert_eq!((nothing.flows(), nothing.actors_at_least(), nothing.below(9.0)), (0, 0, 0.0));
    }

    #[test]
    fn what_is_below_is_counted_in_flows_and_what_is_not_kept_is_above() {
        let mut sessions = times(90, 0.0, way("/a /b"));
        sessions.extend(times(9, 0.0, way("/a /c")));
        sessions.extend(times(1, 0.0, way("/c /a")));
        let mut cells = rows(&counted(&sessions));
        let whole = Usual::of(&cells, &cells);
        let below = |usual: &Usual, screens: &str| usual.below(bits(usual, screens));
        assert_eq!(
            (below(&whole, "/a /b"), below(&whole, "/a /c"), below(&whole, "/c /a")),
            (0.0, 0.9, 0.99)
        );
        assert_eq!((whole.flows(), whole.below(f64::INFINITY)), (100, 1.0));
        let (key, mut other) = cells[0].clone();
        other.sums = [(FLOWS.to_owned(), 100)].into();
        cells.push((CellKey { kind: CellKind::Variant, name: OTHER.to_owned(), ..key }, other));
        let half = Usual::of(&cells, &cells);
        assert_eq!((below(&half, "/c /a"), half.below(f64::INFINITY)), (0.495, 0.5));
    }

    proptest! {
        #[test]
        fn a_way_that_more_people_go_is_less_unusual(sessions in any_sessions(), screens in "[abc]( [abc]){1,3}") {
            let before = usual(&sessions);
            let more: Vec<_> = sessions.iter().cloned().chain(times(50, 0.0, way(&screens))).collect();
            let after = usual(&more);
            prop_assert!(bits(&before, &screens) > 0.0);
            prop_assert!(bits(&after, &screens) <= bits(&before, &screens).max(2.0));
            prop_assert!((0.0..=1.0).contains(&after.below(bits(&after, &screens))));
        }

        #[test]
        fn every_way_is_ranked_by_its_own_surprise(sessions in any_sessions()) {
            let usual = usual(&sessions);
            let flows: Vec<_> = sessions.iter().flat_map(|session| &session.flows).collect();
            for one in &flows {
                let bits = usual.surprise(std::slice::from_ref(*one)).unwrap().bits;
                let less = flows.iter().filter(|flow| {
                    usual.surprise(std::slice::from_ref(**flow)).unwrap().bits < bits - NOISE
                });
                let expected = float(i64::try_from(less.count()).unwrap()) / float(i64::try_from(flows.len()).unwrap());
                prop_assert!((usual.below(bits) - expected).abs() < 1e-12);
            }
            let task = flow(Some("pay"), contract::session::FlowOutcome::Completed, "a b");
            prop_assert_eq!(usual.surprise(&[task]), usual.surprise(&[way("a b")]));
        }
    }
}
