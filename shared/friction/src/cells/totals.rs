//! Cells of one kind added up by name, each as it is read: a question reads thousands, and tells of a hundred.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Cell, CellKey};

/// Sums of cells by their names, whatever days and products they are of.
#[derive(Debug, Default)]
pub struct Totals {
    rows: Vec<Row>,
    places: BTreeMap<String, usize>,
    /// Cells come in the order of their names, day after day: the next is usually the one that came next before.
    last: usize,
    names: Names,
}

/// What has one name.
#[derive(Debug)]
struct Row {
    key: CellKey,
    /// By the places of their names.
    sums: Vec<i64>,
    /// By slot.
    actors: Vec<i64>,
    note: Option<String>,
    /// The place of the row that came after this one.
    next: usize,
}

/// Where a cell is added.
#[derive(Debug)]
pub struct Adding<'a> {
    row: &'a mut Row,
    names: &'a mut Names,
}

impl Totals {
    /// Those of `cells`, which are of one kind.
    #[must_use]
    pub fn of(cells: &[(CellKey, Cell)]) -> Self {
        let mut totals = Self::default();
        for (key, cell) in cells {
            if let Some(adding) = totals.to(&key.name, || key.clone()) {
                adding.add(cell);
            }
        }
        totals
    }

    /// Where to add what is called `name`. The sum has the key of the cell that came first. It is always there.
    pub fn to(&mut self, name: &str, key: impl FnOnce() -> CellKey) -> Option<Adding<'_>> {
        let place = self.expected(name).or_else(|| self.places.get(name).copied());
        let place = place.unwrap_or_else(|| self.begin(key()));
        if let Some(last) = self.rows.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        self.names.expected = 0;
        let row = self.rows.get_mut(place)?;
        Some(Adding { row, names: &mut self.names })
    }

    /// The sums; a name whose cells add up to nothing is none.
    #[must_use]
    pub fn cells(self) -> Vec<(CellKey, Cell)> {
        let Self { rows, names, .. } = self;
        let cells = rows.into_iter().map(|Row { key, sums, actors, note, .. }| {
            let sums = names.known.iter().zip(sums).filter(|(_, sum)| *sum != 0);
            let actors = (0_u8..=u8::MAX).zip(actors).filter(|(_, sessions)| *sessions != 0);
            let sums = sums.map(|(name, sum)| (name.clone(), sum)).collect();
            (key, Cell { sums, actors: actors.collect(), note })
        });
        cells.filter(|(_, cell)| !cell.is_empty()).collect()
    }

    fn expected(&self, name: &str) -> Option<usize> {
        let next = self.rows.get(self.last)?.next;
        self.rows.get(next).filter(|row| row.key.name == name).map(|_| next)
    }

    fn begin(&mut self, key: CellKey) -> usize {
        let place = self.rows.len();
        self.places.insert(key.name.clone(), place);
        let (sums, actors) = (Vec::new(), Vec::new());
        self.rows.push(Row { key, sums, actors, note: None, next: 0 });
        place
    }
}

impl Adding<'_> {
    /// Adds all that is in `cell`.
    pub fn add(self, cell: &Cell) {
        let Self { row, names } = self;
        cell.sums.iter().for_each(|(name, value)| add_at(&mut row.sums, names.place(name), *value));
        for (slot, sessions) in &cell.actors {
            add_at(&mut row.actors, usize::from(*slot), *sessions);
        }
        if row.note.is_none() {
            row.note.clone_from(&cell.note);
        }
    }
}

/// Adds a serialized cell without making one of it first.
impl<'de> DeserializeSeed<'de> for Adding<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Adding<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { row, names } = self;
        while let Some(part) = map.next_key_seed(Text(|name: &str| Part::of(name)))? {
            match part {
                Part::Sums => {
                    let place = |name: &str| names.place(name);
                    map.next_value_seed(Numbers { into: &mut row.sums, place })?;
                }
                Part::Actors => {
                    let place = |slot: &str| slot.parse::<u8>().map_or(usize::MAX, usize::from);
                    map.next_value_seed(Numbers { into: &mut row.actors, place })?;
                }
                Part::Note => {
                    let note: String = map.next_value()?;
                    row.note.get_or_insert(note);
                }
                Part::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// What a serialized cell consists of.
enum Part {
    Sums,
    Actors,
    Note,
    Unknown,
}

impl Part {
    fn of(name: &str) -> Self {
        match name {
            "s" => Self::Sums,
            "a" => Self::Actors,
            "n" => Self::Note,
            _ => Self::Unknown,
        }
    }
}

/// Numbers by name, added where the names lie; a name that lies nowhere is none.
struct Numbers<'a, P> {
    into: &'a mut Vec<i64>,
    place: P,
}

impl<'de, P: FnMut(&str) -> usize> DeserializeSeed<'de> for Numbers<'_, P> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, P: FnMut(&str) -> usize> Visitor<'de> for Numbers<'_, P> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers by name")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(Text(&mut self.place))? {
            if place == usize::MAX {
                return Err(A::Error::custom("a slot of actors is a number below 256"));
            }
            add_at(self.into, place, map.next_value()?);
        }
        Ok(())
    }
}

/// What is made of a text without keeping it.
struct Text<F>(F);

impl<'de, T, F: FnMut(&str) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnMut(&str) -> T> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<T, E> {
        Ok(self.0(text))
    }
}

fn add_at(sums: &mut Vec<i64>, place: usize, value: i64) {
    if sums.len() <= place {
        sums.resize(place + 1, 0);
    }
    if let Some(sum) = sums.get_mut(place) {
        *sum = sum.saturating_add(value);
    }
}

/// Names of sums, in the order in which they came first.
#[derive(Debug, Default)]
struct Names {
    known: Vec<String>,
    places: BTreeMap<String, usize>,
    /// Sums come in the order of their names: this one is usually next.
    expected: usize,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        let is_next = self.known.get(self.expected).is_some_and(|known| known == name);
        let place = if is_next { self.expected } else { self.find(name) };
        self.expected = place + 1;
        place
    }

    fn find(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.known.len();
        self.known.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

#[cfg(test)]
mod tests {
    use contract::{OrgId, ProductId, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::cells::CellKind;

    fn any_cell() -> impl Strategy<Value = Cell> {
        let sums = prop::collection::btree_map("[a-d]{1,2}", -3_i64..4, 0..6);
        let actors = prop::collection::btree_map(0_u8..64, -2_i64..3, 0..5);
        (sums, actors, prop::option::of("[xy]")).prop_map(|(mut sums, mut actors, note)| {
            sums.retain(|_, sum| *sum != 0);
            actors.retain(|_, sessions| *sessions != 0);
            Cell { sums, actors, note }
        })
    }

    fn key(day: i64, name: &str) -> CellKey {
        let (org, product) = (OrgId::parse("acme").unwrap(), ProductId::default());
        let day = Timestamp::from_ms(day * 86_400_000);
        CellKey { org, product, day, kind: CellKind::Screen, name: name.to_owned() }
    }

    proptest! {
        #[test]
        fn totals_are_what_the_cells_of_each_name_add_up_to(
            cells in prop::collection::vec((0_i64..5, "/[a-c]", any_cell()), 0..30),
        ) {
            let cells: Vec<(CellKey, Cell)> =
                cells.into_iter().map(|(day, name, cell)| (key(day, &name), cell)).collect();
            let mut sums: BTreeMap<&str, Cell> = BTreeMap::new();
            cells.iter().for_each(|(key, cell)| *sums.entry(&key.name).or_default() += cell);
            sums.retain(|_, cell| !cell.is_empty());
            let mut read = Totals::default();
            for (key, cell) in &cells {
                let text = serde_json::to_string(cell).unwrap();
                let adding = read.to(&key.name, || key.clone()).unwrap();
                adding.deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            }
            for totals in [Totals::of(&cells).cells(), read.cells()] {
                let first = |name: &str| cells.iter().find(|(key, _)| key.name == name).map(|(key, _)| key);
                for (key, _) in &totals {
                    prop_assert_eq!(Some(key), first(&key.name));
                }
                let totals: BTreeMap<&str, Cell> =
                    totals.iter().map(|(key, cell)| (key.name.as_str(), cell.clone())).collect();
                prop_assert_eq!(&totals, &sums);
            }
        }
    }

    #[test]
    fn what_is_not_a_cell_is_refused() {
        for text in
            [r#"{"a":{"256":1}}"#, r#"{"a":{"x":1}}"#, r#"{"s":{"n":"1"}}"#, "[]", r#"{"s":1}"#]
        {
            let mut totals = Totals::default();
            let adding = totals.to("/a", || key(0, "/a")).unwrap();
            let read = adding.deserialize(&mut serde_json::Deserializer::from_str(text));
            assert!(read.is_err(), "{text}");
        }
    }
}
