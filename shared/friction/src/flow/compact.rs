//! Keeps a day's flows bounded: what is rare loses its name, and its numbers stay.

use std::collections::BTreeMap;

use contract::{OrgId, ProductId, Timestamp};

use super::counting::FLOWS;
use crate::cells::{Cell, CellKey, CellKind, Cells, OTHER, merge};

/// What to add to `cells` (whole days of one or more products) so that of each day the 200 most frequent variants and
/// every edge with more than a thousandth of the day's steps stay by name, and the rest is in [`OTHER`].
///
/// Sums over a day are what they were, and compacting what is compact changes nothing: an edge that stayed still has more
/// than a thousandth, since the day's steps are still as many. A frequency that is read afterwards is too small by a
/// thousandth of the day at most.
#[must_use]
pub fn compact(cells: &[(CellKey, Cell)]) -> Cells {
    let mut days: BTreeMap<Day<'_>, Vec<&(CellKey, Cell)>> = BTreeMap::new();
    for held in cells {
        let (key, _) = held;
        days.entry((&key.org, &key.product, key.day, key.kind)).or_default().push(held);
    }
    let mut change = Cells::new();
    for ((.., kind), held) in days {
        let folded = match kind {
            CellKind::Variant => rare_variants(held),
            CellKind::Edge => rare_edges(held),
            CellKind::Overview
            | CellKind::Screen
            | CellKind::Task
            | CellKind::Pillar
            | CellKind::Rule => Vec::new(),
        };
        for (key, cell) in folded {
            merge(&mut change, &fold(key, cell));
        }
    }
    change
}

type Day<'a> = (&'a OrgId, &'a ProductId, Timestamp, CellKind);

/// Beyond the first 200, and those of which more was taken back than is here: the rest of them was folded before.
fn rare_variants(held: Vec<&(CellKey, Cell)>) -> Vec<&(CellKey, Cell)> {
    let mut named: Vec<_> = held.into_iter().filter(|(key, _)| key.name != OTHER).collect();
    named.sort_by(|(a, x), (b, y)| y.sum(FLOWS).cmp(&x.sum(FLOWS)).then(a.name.cmp(&b.name)));
    let gone = named.partition_point(|(_, cell)| cell.sum(FLOWS) > 0);
    named.split_off(gone.min(VARIANTS_MAX))
}

fn rare_edges(held: Vec<&(CellKey, Cell)>) -> Vec<&(CellKey, Cell)> {
    let total = held.iter().fold(0_i64, |sum, (_, cell)| sum.saturating_add(cell.sum(FLOWS)));
    let stays = |cell: &Cell| {
        let steps = cell.sum(FLOWS);
        steps > 0 && steps.saturating_mul(EDGE_SHARE) > total
    };
    held.into_iter().filter(|(key, cell)| key.name != OTHER && !stays(cell)).collect()
}

/// Takes a cell from its name and gives it to the others.
fn fold(key: &CellKey, cell: &Cell) -> Cells {
    let nameless = Cell { note: None, ..cell.clone() };
    let other = CellKey { name: OTHER.to_owned(), ..key.clone() };
    Cells::from([(key.clone(), cell.negated()), (other, nameless)])
}

const VARIANTS_MAX: usize = 200;
/// An edge stays when so many times its steps are more than the day's.
const EDGE_SHARE: i64 = 1_000;
