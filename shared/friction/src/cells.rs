//! Sums and counts per day, from which every number of the insights is read. What is kept can be added and taken back, so a
//! cell is at any time the sum over the sessions that are there, in whatever order they came, changed and went.

use std::{collections::BTreeMap, ops::AddAssign};

use contract::{OrgId, ProductId, Timestamp};
use serde::{Deserialize, Serialize};

/// Names a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product.
    pub product: ProductId,
    /// Start of the UTC day in which the sessions began.
    pub day: Timestamp,
    /// What is summed up.
    pub kind: CellKind,
    /// Which one of its kind: a screen, a task, two screens with a tab between them, the hash of a path. Empty where the kind
    /// has one cell a day.
    pub name: String,
}

/// What a cell sums up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellKind {
    /// All sessions.
    Overview,
    /// Sessions by screen.
    Screen,
    /// Flows by path.
    Variant,
    /// Steps from one screen to the next.
    Edge,
    /// Runs by task.
    Task,
    /// Friction caused and prevented by pillar.
    Pillar,
    /// Sessions by what was seen in them: incidents by rule, and every other signal of the frustration score.
    Rule,
}

impl CellKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Overview,
        Self::Screen,
        Self::Variant,
        Self::Edge,
        Self::Task,
        Self::Pillar,
        Self::Rule,
    ];

    /// A short stable name, for keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Screen => "screen",
            Self::Variant => "variant",
            Self::Edge => "edge",
            Self::Task => "task",
            Self::Pillar => "pillar",
            Self::Rule => "rule",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a cell holds: named sums, and how many sessions each slot of actors has in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cell {
    /// Sums by name; scores in millionths, times in ms. A sum of zero is not kept.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sums: BTreeMap<String, i64>,
    /// Sessions by actor slot, see [`crate::owner::actor_slot`].
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actors: BTreeMap<u8, i64>,
    /// What the name stands for, where it is a hash.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What sessions add to cells.
pub type Cells = BTreeMap<CellKey, Cell>;

impl Cell {
    /// The sum called `name`.
    #[must_use]
    pub fn sum(&self, name: &str) -> i64 {
        self.sums.get(name).copied().unwrap_or_default()
    }

    /// Adds to the sum called `name`.
    pub fn add(&mut self, name: &str, value: i64) {
        add_to(&mut self.sums, name.to_owned(), value);
    }

    /// Counts a session of the actor in `slot`.
    pub fn see(&mut self, slot: u8) {
        add_to(&mut self.actors, slot, 1);
    }

    /// At least this many different actors are in it.
    #[must_use]
    pub fn actors_at_least(&self) -> usize {
        self.actors.values().filter(|sessions| **sessions > 0).count()
    }

    /// True when nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty() && self.actors.is_empty()
    }

    /// What takes this cell back.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self {
            sums: self.sums.iter().map(|(name, value)| (name.clone(), -value)).collect(),
            actors: self.actors.iter().map(|(slot, value)| (*slot, -value)).collect(),
            note: self.note.clone(),
        }
    }
}

impl AddAssign<&Self> for Cell {
    fn add_assign(&mut self, other: &Self) {
        for (name, value) in &other.sums {
            add_to(&mut self.sums, name.clone(), *value);
        }
        for (slot, value) in &other.actors {
            add_to(&mut self.actors, *slot, *value);
        }
        if self.note.is_none() {
            self.note.clone_from(&other.note);
        }
    }
}

/// Adds `added` to `cells`; cells that end up empty go.
pub fn merge(cells: &mut Cells, added: &Cells) {
    for (key, cell) in added {
        let held = cells.entry(key.clone()).or_default();
        *held += cell;
        if held.is_empty() {
            cells.remove(key);
        }
    }
}

/// What turns the contribution `old` into the contribution `new`.
#[must_use]
pub fn difference(old: Cells, new: Cells) -> Cells {
    let mut change = new;
    let taken = old.into_iter().map(|(key, cell)| (key, cell.negated())).collect();
    merge(&mut change, &taken);
    change
}

fn add_to<K: Ord>(sums: &mut BTreeMap<K, i64>, name: K, value: i64) {
    use std::collections::btree_map::Entry;
    match sums.entry(name) {
        Entry::Vacant(empty) => {
            if value != 0 {
                empty.insert(value);
            }
        }
        Entry::Occupied(mut held) => {
            let sum = held.get().saturating_add(value);
            if sum == 0 {
                held.remove();
            } else {
                held.insert(sum);
            }
        }
    }
}

/// The name of a step from one screen to the next.
#[must_use]
pub fn edge_name(from: &str, to: &str) -> String {
    format!("{from}\t{to}")
}

/// The two screens of a step.
#[must_use]
pub fn edge_of(name: &str) -> Option<(&str, &str)> {
    name.split_once('\t')
}

/// Where every way begins.
pub const ENTRY: &str = "^";
/// Where every way ends.
pub const EXIT: &str = "$";
/// What is not kept by name.
pub const OTHER: &str = "~other";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let sums = prop::collection::btree_map("[a-c]", -3_i64..4, 0..4);
        (sums, prop::collection::btree_map(0_u8..4, -2_i64..3, 0..4)).prop_map(|(sums, actors)| {
            let mut cell = Cell::default();
            sums.iter().for_each(|(name, value)| cell.add(name, *value));
            actors.into_iter().for_each(|(slot, n)| add_to(&mut cell.actors, slot, n));
            cell
        })
    }

    fn cells() -> impl Strategy<Value = Cells> {
        prop::collection::btree_map("[ab]", cell(), 0..3).prop_map(|named| {
            let key = |name| CellKey {
                org: OrgId::parse("acme").unwrap(),
                product: ProductId::default(),
                day: Timestamp::from_ms(0),
                kind: CellKind::Screen,
                name,
            };
            let full = named.into_iter().filter(|(_, cell)| !cell.is_empty());
            full.map(|(name, cell)| (key(name), cell)).collect()
        })
    }

    proptest! {
        #[test]
        fn a_difference_turns_the_old_into_the_new(old in cells(), new in cells()) {
            let mut held = old.clone();
            merge(&mut held, &difference(old, new.clone()));
            prop_assert_eq!(held, new);
        }

        #[test]
        fn the_order_of_adding_does_not_matter(a in cells(), b in cells(), c in cells()) {
            let sum = |parts: [&Cells; 3]| {
                let mut sum = Cells::new();
                parts.into_iter().for_each(|part| merge(&mut sum, part));
                sum
            };
            prop_assert_eq!(sum([&a, &b, &c]), sum([&c, &a, &b]));
        }
    }

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for kind in CellKind::ALL {
            assert_eq!(CellKind::parse(kind.as_str()), Some(kind));
        }
    }
}
