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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cells::difference,
        flow::{
            contribute,
            sample::{any_sessions, counted, rows, session, times, way},
        },
    };

    fn compacted(cells: &Cells) -> Cells {
        let mut cells = cells.clone();
        let change = compact(&rows(&cells));
        merge(&mut cells, &change);
        cells
    }

    fn named(cells: &Cells, kind: CellKind) -> usize {
        cells.keys().filter(|key| key.kind == kind && key.name != OTHER).count()
    }

    /// Sums by day and kind.
    fn totals(cells: &Cells) -> BTreeMap<(i64, CellKind), Cell> {
        let mut totals: BTreeMap<_, Cell> = BTreeMap::new();
        for (key, cell) in cells {
            *totals.entry((key.day.ms(), key.kind)).or_default() += cell;
        }
        totals.values_mut().for_each(|total| total.note = None);
        totals
    }

    fn many(count: usize) -> Cells {
        let of = |n: usize| times(if n < 10 { 30 } else { 1 }, 0.5, way(&format!("/s /t{n:04}")));
        counted(&(0..count).flat_map(of).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_two_hundred_variants_and_edges_above_a_thousandth_stay() {
        let cells = many(500);
        let compact = compacted(&cells);
        assert_eq!(
            (named(&cells, CellKind::Variant), named(&compact, CellKind::Variant)),
            (500, 200)
        );
        // 790 flows are 2,370 steps: an edge needs three, which only those of the ten frequent ways have.
        assert_eq!(named(&compact, CellKind::Edge), 1 + 2 * 10);
        assert_eq!(totals(&compact), totals(&cells));
        let mut others = compact.iter().filter(|(key, _)| key.name == OTHER);
        assert!(others.all(|(_, cell)| cell.note.is_none()), "the others are no way");
    }

    #[test]
    fn an_edge_of_exactly_a_thousandth_goes_and_one_above_stays() {
        let cell = |count| {
            let mut cell = Cell::default();
            cell.add(FLOWS, count);
            cell
        };
        let (key, _) = rows(&counted(&times(1, 0.0, way("/a /b")))).remove(0);
        let key =
            |name: &str| CellKey { kind: CellKind::Edge, name: name.to_owned(), ..key.clone() };
        let cells =
            Cells::from([(key("a\tb"), cell(1)), (key("b\tc"), cell(2)), (key("c\td"), cell(997))]);
        let left: Vec<_> = compacted(&cells).into_keys().map(|key| key.name).collect();
        assert_eq!(left, ["b\tc", "c\td", OTHER]);
    }

    #[test]
    fn a_session_that_changes_after_its_day_was_compacted_leaves_the_totals_exact() {
        let gone = session(1, 0.5, vec![way("/s /t0499")]);
        let mut cells = compacted(&many(500));
        let (mut old, mut all) = (Cells::new(), many(500));
        contribute(&gone, 0, &mut old);
        let change = difference(old, Cells::new());
        merge(&mut cells, &change);
        merge(&mut all, &change);
        assert_eq!(totals(&cells), totals(&all));
        // What is less than nothing under its name goes to the others, where the rest of it is.
        let again = compacted(&cells);
        assert!(again.values().all(|cell| cell.sum(FLOWS) > 0));
        assert_eq!(totals(&again), totals(&all));
    }

    proptest! {
        // Each case is some thousand cells.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn totals_stay_exact_and_compacting_twice_changes_nothing(
            sessions in any_sessions(),
            rare in 150..260_usize,
        ) {
            let mut cells = counted(&sessions);
            merge(&mut cells, &many(rare));
            let once = compacted(&cells);
            prop_assert_eq!(totals(&once), totals(&cells));
            prop_assert_eq!(compact(&rows(&once)), Cells::new());
            for day in [1, 2] {
                let day = |key: &&CellKey| key.day.ms() == day * contract::limits::DAY_MS;
                let variants = once.keys().filter(day).filter(|key| key.kind == CellKind::Variant);
                prop_assert!(variants.count() <= 201);
            }
        }

        #[test]
        fn days_compact_apart_as_they_do_together(sessions in any_sessions(), rare in 195..230_usize) {
            let mut cells = counted(&sessions);
            merge(&mut cells, &many(rare));
            let mut apart = Cells::new();
            for day in [1, 2] {
                let of_day = |(key, _): &(CellKey, Cell)| key.day.ms() == day * contract::limits::DAY_MS;
                let day: Vec<_> = rows(&cells).into_iter().filter(of_day).collect();
                merge(&mut apart, &compact(&day));
            }
            prop_assert_eq!(apart, compact(&rows(&cells)));
        }
    }
}
