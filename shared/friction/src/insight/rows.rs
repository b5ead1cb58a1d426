//! Cells of one kind, summed over the days and products of a period.

use std::collections::BTreeMap;

use contract::limits::K_ANONYMITY;

use super::Period;
use crate::cells::{Cell, CellKey};

/// Cells of one kind, summed over the days and products of a period, by name. Sums that stand for too few actors are not
/// told, only counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    told: BTreeMap<String, Cell>,
    hidden: BTreeMap<String, Cell>,
}

impl Rows {
    /// The rows of `period` from cells of one kind. An actor on two days or in two products is one actor.
    #[must_use]
    pub fn of(cells: &[(CellKey, Cell)], period: Period) -> Self {
        let mut sums: BTreeMap<&str, Cell> = BTreeMap::new();
        for (key, cell) in cells {
            if period.holds(key.day) {
                *sums.entry(&key.name).or_default() += cell;
            }
        }
        let mut rows = Self::default();
        for (name, cell) in sums.into_iter().filter(|(_, cell)| !cell.is_empty()) {
            let is_told = cell.actors_at_least() >= K_ANONYMITY;
            let rows = if is_told { &mut rows.told } else { &mut rows.hidden };
            rows.insert(name.to_owned(), cell);
        }
        rows
    }

    /// Does not tell the row called `name`.
    pub(super) fn hide(&mut self, name: &str) {
        self.hidden.extend(self.told.remove_entry(name));
    }

    /// All rows, those that may not be told among them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Cell)> {
        self.told.iter().chain(&self.hidden).map(|(name, cell)| (name.as_str(), cell))
    }

    /// What may be told, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Cell)> {
        self.told.iter().map(|(name, cell)| (name.as_str(), cell))
    }

    /// The same, without the rest.
    pub(super) fn into_told(self) -> impl Iterator<Item = (String, Cell)> {
        self.told.into_iter()
    }

    /// The row called `name`, if it may be told.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.told.get(name)
    }

    /// How many rows are not told.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        u64::try_from(self.hidden.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use contract::{OrgId, ProductId, Timestamp, limits::DAY_MS};
    use proptest::prelude::*;

    use super::*;
    use crate::cells::CellKind;

    /// A cell of `kind` on `day` with one session of each actor in `slots`, and `sums`.
    pub(in crate::insight) fn cell(
        (kind, name): (CellKind, &str),
        day: i64,
        slots: impl IntoIterator<Item = u8>,
        sums: &[(&str, i64)],
    ) -> (CellKey, Cell) {
        let mut cell = Cell::default();
        for slot in slots {
            cell.see(slot);
            cell.add("sessions", 1);
        }
        for (name, value) in sums {
            cell.add(name, *value);
        }
        let key = CellKey {
            org: OrgId::parse("acme").unwrap(),
            product: ProductId::default(),
            day: Timestamp::from_ms(day * DAY_MS),
            kind,
            name: name.to_owned(),
        };
        (key, cell)
    }

    pub(in crate::insight) fn days(from: i64, to: i64) -> Period {
        let at = |day| Timestamp::from_ms(day * DAY_MS);
        Period { from: at(from), to: at(to) }
    }

    const SCREEN: (CellKind, &str) = (CellKind::Screen, "/pay");

    #[test]
    fn four_actors_are_not_told_and_the_fifth_may_come_on_another_day() {
        let mut cells = vec![cell(SCREEN, 1, 0..4, &[]), cell(SCREEN, 2, 0..4, &[])];
        let rows = Rows::of(&cells, days(1, 3));
        assert_eq!((rows.suppressed(), rows.get("/pay")), (1, None));
        cells.push(cell(SCREEN, 2, [9], &[]));
        let rows = Rows::of(&cells, days(1, 3));
        assert_eq!((rows.suppressed(), rows.get("/pay").unwrap().sum("sessions")), (0, 9));
        let rows = Rows::of(&cells, days(1, 2));
        assert_eq!((rows.suppressed(), rows.iter().count()), (1, 0));
    }

    #[test]
    fn what_was_taken_back_is_no_row() {
        let (key, cell) = cell(SCREEN, 1, 0..9, &[("visits", 3)]);
        let back = cell.negated();
        let rows = Rows::of(&[(key.clone(), cell), (key, back)], days(1, 2));
        assert_eq!(rows, Rows::default());
    }

    proptest! {
        #[test]
        fn a_row_told_has_five_actors_and_the_order_of_cells_is_nothing(
            parts in prop::collection::vec((0_i64..4, 0_u8..12, 0_usize..3), 0..40)
        ) {
            let names = ["/a", "/b", "/c"];
            let mut cells: Vec<_> = parts
                .iter()
                .map(|(day, slot, name)| cell((CellKind::Screen, names[*name]), *day, [*slot], &[]))
                .collect();
            let rows = Rows::of(&cells, days(1, 4));
            for (at, name) in names.iter().enumerate() {
                let slots: std::collections::BTreeSet<u8> = parts
                    .iter()
                    .filter(|(day, _, of)| *day >= 1 && *of == at)
                    .map(|(_, slot, _)| *slot)
                    .collect();
                prop_assert_eq!(rows.get(name).is_some(), slots.len() >= 5);
            }
            cells.reverse();
            prop_assert_eq!(rows, Rows::of(&cells, days(1, 4)));
        }
    }
}
