//! How unusual a way is: the surprise of its steps to somebody who knows where people usually go.

use std::collections::{BTreeMap, BTreeSet};

use super::{counting::FLOWS, sums::Sums};
use crate::{
    cells::{Cell, CellKey, CellKind, ENTRY, EXIT, edge_of},
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
    let mut targets: BTreeSet<&str> = path.iter().map(String::as_str).chain([EXIT]).collect();
    let mut leaving: BTreeMap<&str, i64> = BTreeMap::new();
    let mut steps: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (name, cell) in &sums.named {
        let Some((from, to)) = edge_of(name) else { continue };
        targets.insert(to);
        *leaving.entry(from).or_default() += cell.sum(FLOWS);
        steps.insert((from, to), cell.sum(FLOWS));
    }
    let spread = ALPHA * float(i64::try_from(targets.len()).unwrap_or(i64::MAX));
    let screens = || path.iter().map(String::as_str);
    let (mut surprise, mut count) = (0.0, 0_i64);
    for (from, to) in [ENTRY].into_iter().chain(screens()).zip(screens().chain([EXIT])) {
        let here = steps.get(&(from, to)).copied().unwrap_or_default();
        let all = leaving.get(from).copied().unwrap_or_default();
        surprise -= log2((float(here) + ALPHA) / (float(all) + spread));
        count += 1;
    }
    Some(surprise / float(count))
}

const ALPHA: f64 = 0.5;
