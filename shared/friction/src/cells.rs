//! Sums and counts per day, from which every number of the insights is read. What is kept can be added and taken back, so a
//! cell is at any time the sum over the sessions that are there, in whatever order they came, changed and went.

mod totals;

use std::{borrow::Borrow, collections::BTreeMap, ops::AddAssign};

use contract::{OrgId, ProductId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::totals::{Adding, Totals};
use crate::disclosure::Actors;

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
        add_to(&mut self.sums, name, value);
    }

    /// Counts a session of the actor in `slot`.
    pub fn see(&mut self, slot: u8) {
        add_to(&mut self.actors, &slot, 1);
    }

    /// Adds to the sum called `name` what a session of the actor in `slot` adds to it, and keeps who it was of, in a sixteenth:
    /// see [`Cell::behind`].
    pub fn add_of(&mut self, name: &str, slot: u8, value: i64) {
        self.add(name, value);
        self.add(&part_name(name, slot % PARTS), value);
    }

    /// At least this many different actors are in it.
    #[must_use]
    pub fn actors_at_least(&self) -> usize {
        self.actors.values().filter(|sessions| **sessions > 0).count()
    }

    /// The actors in it.
    #[must_use]
    pub fn behind_all(&self) -> Actors {
        let here = self.actors.iter().filter(|(_, sessions)| **sessions > 0);
        Actors::of(here.map(|(slot, _)| *slot))
    }

    /// The actors that the sum called `name` is of; nothing where that was not kept of all of it.
    #[must_use]
    pub fn behind(&self, name: &str) -> Option<Actors> {
        let parts = self.parts_of(name)?;
        Some(Actors::of((0..).zip(parts).filter(|(_, part)| *part > 0).map(|(slot, _)| slot)))
    }

    /// The actors of the sessions that are not counted in the sum called `name`, where that counts sessions; nothing where it
    /// is not known.
    #[must_use]
    pub fn behind_the_rest_of(&self, name: &str) -> Option<Actors> {
        let mut rest = [0_i64; 16];
        for (slot, sessions) in &self.actors {
            if let Some(rest) = rest.get_mut(usize::from(slot % PARTS)) {
                *rest += sessions;
            }
        }
        for (rest, part) in rest.iter_mut().zip(self.parts_of(name)?) {
            *rest -= part;
        }
        let is_known = rest.iter().all(|sessions| *sessions >= 0);
        let rest = (0..).zip(rest).filter(|(_, sessions)| *sessions > 0).map(|(slot, _)| slot);
        is_known.then(|| Actors::of(rest))
    }

    /// The actors of the sessions that are in this cell and not in `part`; nothing where there are some in it that are not here.
    #[must_use]
    pub fn behind_all_but(&self, part: &Self) -> Option<Actors> {
        let mut rest = self.actors.clone();
        part.actors.iter().for_each(|(slot, sessions)| add_to(&mut rest, slot, -sessions));
        let is_known = rest.values().all(|sessions| *sessions >= 0);
        is_known.then(|| Actors::of(rest.into_keys()))
    }

    /// The sum called `name` in sixteen parts, by slots of actors; nothing unless they are all of it.
    fn parts_of(&self, name: &str) -> Option<Vec<i64>> {
        let parts: Vec<i64> = (0..PARTS).map(|part| self.sum(&part_name(name, part))).collect();
        let is_all = parts.iter().sum::<i64>() == self.sum(name);
        (is_all && parts.iter().all(|part| *part >= 0)).then_some(parts)
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
        if self.is_empty() && self.note.is_none() {
            self.clone_from(other);
            return;
        }
        for (name, value) in &other.sums {
            add_to(&mut self.sums, name.as_str(), *value);
        }
        for (slot, value) in &other.actors {
            add_to(&mut self.actors, slot, *value);
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

fn add_to<K: Ord + Borrow<Q>, Q: Ord + ToOwned<Owned = K> + ?Sized>(
    sums: &mut BTreeMap<K, i64>,
    name: &Q,
    value: i64,
) {
    let Some(held) = sums.get_mut(name) else {
        if value != 0 {
            sums.insert(name.to_owned(), value);
        }
        return;
    };
    *held = held.saturating_add(value);
    if *held == 0 {
        sums.remove(name);
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

/// The name of the part of a sum that is of the actors in one sixteenth of the slots.
fn part_name(name: &str, part: u8) -> String {
    format!("{name}@{part:x}")
}

/// In how many parts a sum is kept of which it matters who is behind it: as many as are needed to tell five actors from
/// four most of the time, since each of them costs in each cell.
const PARTS: u8 = 16;
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
            actors.into_iter().for_each(|(slot, n)| add_to(&mut cell.actors, &slot, n));
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
    fn it_is_known_who_is_behind_a_sum_and_behind_the_rest() {
        let mut cell = Cell::default();
        for slot in 0..8 {
            cell.see(slot);
            cell.add("sessions", 1);
        }
        cell.see(0);
        (0..6).for_each(|slot| cell.add_of("exits", slot, 1));
        let at_least = |actors: Option<Actors>| actors.map(Actors::at_least);
        assert_eq!((cell.sum("exits"), at_least(cell.behind("exits"))), (6, Some(6)));
        // The first actor was here twice, and once left from elsewhere.
        assert_eq!(at_least(cell.behind_the_rest_of("exits")), Some(3));
        assert_eq!(at_least(cell.behind("nothing")), Some(0));
        assert_eq!(at_least(cell.behind_the_rest_of("nothing")), Some(8));
        let mut back = Cell::default();
        back.add_of("exits", 5, 1);
        cell += &back.negated();
        assert_eq!(at_least(cell.behind("exits")), Some(5));
        // What was counted before it was kept who it was of.
        cell.add("exits", 1);
        assert_eq!((cell.behind("exits"), cell.behind_the_rest_of("exits")), (None, None));
    }

    #[test]
    fn those_who_are_not_in_a_part_are_known_by_how_often_they_were_there() {
        let of = |slots: &[u8]| {
            let mut cell = Cell::default();
            slots.iter().for_each(|slot| cell.see(*slot));
            cell
        };
        let all = of(&[1, 1, 2, 3]);
        assert_eq!(all.behind_all_but(&of(&[1, 2])), Some(Actors::of([1, 3])));
        assert_eq!(all.behind_all_but(&all), Some(Actors::default()));
        assert_eq!(all.behind_all_but(&of(&[4])), None);
    }

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for kind in CellKind::ALL {
            assert_eq!(CellKind::parse(kind.as_str()), Some(kind));
        }
    }
}
