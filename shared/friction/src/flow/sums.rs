//! Cells of one kind summed over days and products.

use std::collections::BTreeMap;

use super::counting::{FLOWS, FRICTION};
use crate::{
    cells::{Cell, CellKey, CellKind, OTHER},
    score::math::float,
};

/// Sums by name, and of everything.
#[derive(Debug, Default)]
pub(super) struct Sums<'a> {
    /// What there is under a name.
    pub(super) named: BTreeMap<&'a str, Cell>,
    /// Flows or steps in all of it, what is not kept by name among them.
    pub(super) total: i64,
    /// What is not kept by name.
    pub(super) other: Cell,
}

impl<'a> Sums<'a> {
    pub(super) fn of(cells: &'a [(CellKey, Cell)], kind: CellKind) -> Self {
        let mut sums = Self::default();
        for (key, cell) in cells.iter().filter(|(key, _)| key.kind == kind) {
            sums.total = sums.total.saturating_add(cell.sum(FLOWS));
            if key.name == OTHER {
                sums.other += cell;
            } else {
                *sums.named.entry(&key.name).or_default() += cell;
            }
        }
        // What was folded into the others and taken back after that has its counterpart there.
        let gone = sums.named.extract_if(.., |_, cell| cell.sum(FLOWS) <= 0);
        gone.for_each(|(_, cell)| sums.other += &cell);
        sums
    }
}

/// A sum over a count; 0 of nothing.
pub(super) fn mean(sum: i64, count: i64) -> f64 {
    if count > 0 { float(sum) / float(count) } else { 0.0 }
}

/// The mean frustration of the sessions of flows or steps.
pub(super) fn friction(cell: &Cell) -> f64 {
    mean(cell.sum(FRICTION), cell.sum(FLOWS)) / MICRO
}

/// A count that cannot be negative.
pub(super) fn count(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or_default()
}

const MICRO: f64 = 1e6;
