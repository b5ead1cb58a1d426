//! Several writers over one store of places, each with a view as old as it likes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

/// What a table would hold.
#[derive(Default)]
struct Store {
    segments: BTreeMap<(Place, u32), Segment>,
    alone: BTreeMap<PackedId, u32>,
}

/// What one process has read.
#[derive(Default, Clone)]
struct View(HashMap<Place, Log>);

/// What a process does.
#[derive(Debug, Clone)]
struct Attempt {
    process: usize,
    ids: Vec<u8>,
    /// It looks before it plans; otherwise it trusts what it read before.
    looks: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Committed,
    Stale,
}

impl Store {
    fn read(&self, view: &mut View, place: Place) {
        let log = view.0.entry(place).or_default();
        for ((_, number), segment) in self.segments.range((place, 0)..=(place, u32::MAX)) {
            log.append(*number, segment);
        }
    }

    /// A strongly consistent look-up.
    fn find(&self, view: &mut View, id: PackedId) -> Option<u32> {
        let mut fresh = BTreeSet::new();
        loop {
            let read = |place: Place| fresh.contains(&place).then(|| &view.0[&place]);
            match look_up(id, read) {
                Lookup::Known(payload) => return Some(payload),
                Lookup::Absent => return None,
                Lookup::Alone => return self.alone.get(&id).copied(),
                Lookup::Unread(place) => {
                    self.read(view, place);
                    fresh.insert(place);
                }
            }
        }
    }

    fn commit(&mut self, view: &mut View, marks: &[Mark]) -> Outcome {
        let (appends, alone) = loop {
            match plan(marks, RULE, |place| view.0.get(&place)) {
                Plan::Known => return Outcome::Stale,
                Plan::Unread(places) => places.into_iter().for_each(|place| self.read(view, place)),
                Plan::Write { appends, alone } => break (appends, alone),
            }
        };
        let taken = appends
            .iter()
            .filter(|append| self.segments.contains_key(&(append.place, append.number)));
        let taken: Vec<Place> = taken.map(|append| append.place).collect();
        let known = alone.iter().any(|at| self.alone.contains_key(&marks[*at].id));
        if !taken.is_empty() || known {
            taken.into_iter().for_each(|place| self.read(view, place));
            return Outcome::Stale;
        }
        for Append { place, number, segment } in appends {
            view.0.entry(place).or_default().append(number, &segment);
            self.segments.insert((place, number), segment);
        }
        self.alone.extend(alone.iter().map(|at| (marks[*at].id, marks[*at].payload)));
        Outcome::Committed
    }

    /// How often an id is written anywhere.
    fn times(&self, id: PackedId) -> usize {
        let in_place = |place: Place| {
            let segments = self.segments.range((place, 0)..=(place, u32::MAX));
            segments
                .filter(|(_, segment)| match segment {
                    Segment::Entries(entries) => {
                        entries.iter().any(|entry| entry.key == id.entry_key())
                    }
                    Segment::Seal => false,
                })
                .count()
        };
        let packed: usize = Level::ALL.map(|level| in_place(id.place(level))).iter().sum();
        packed + usize::from(self.alone.contains_key(&id))
    }
}

/// Ids close together in time, so that they share slots at every level; ten minutes apart at most.
fn at(number: u8) -> PackedId {
    let ms = 1_700_000_000_000 + i64::from(number % 5) * 900 + i64::from(number / 5 % 3) * 20_000;
    packed(ms, number)
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let ids = prop::collection::btree_set(0_u8..60, 1..6);
    let attempt = (0_usize..3, ids, any::<bool>()).prop_map(|(process, ids, looks)| Attempt {
        process,
        ids: ids.into_iter().collect(),
        looks,
    });
    prop::collection::vec(attempt, 1..60)
}

proptest! {
    #[test]
    fn whatever_writers_know_every_id_is_written_once_and_found(attempts in attempts()) {
        let mut store = Store::default();
        let mut views = vec![View::default(); 3];
        let mut committed: BTreeMap<u8, u32> = BTreeMap::new();
        for (turn, Attempt { process, ids, looks }) in attempts.into_iter().enumerate() {
            let view = &mut views[process];
            let payload = u32::try_from(turn).unwrap();
            let mut open = ids;
            if looks {
                open.retain(|id| store.find(view, at(*id)).is_none());
                prop_assert!(open.iter().all(|id| !committed.contains_key(id)));
            }
            let marks: Vec<Mark> = open.iter().map(|id| Mark { id: at(*id), payload }).collect();
            let outcome = store.commit(view, &marks);
            if looks {
                prop_assert_eq!(&outcome, &Outcome::Committed, "it had just looked");
            }
            if outcome == Outcome::Committed {
                for id in open {
                    prop_assert_eq!(committed.insert(id, payload), None, "written twice");
                }
            }
        }
        let mut stranger = View::default();
        for id in 0..60 {
            let known = committed.get(&id).copied();
            prop_assert_eq!(store.times(at(id)), usize::from(known.is_some()));
            prop_assert_eq!(store.find(&mut stranger, at(id)), known);
            for view in &mut views {
                prop_assert_eq!(store.find(view, at(id)), known);
            }
        }
    }
}

#[test]
fn the_races_reach_every_level_and_the_items_below() {
    let mut store = Store::default();
    let mut view = View::default();
    for id in 0..60 {
        assert_eq!(store.commit(&mut view, &[Mark { id: at(id), payload: 1 }]), Outcome::Committed);
    }
    let levels: BTreeSet<Level> = store.segments.keys().map(|(place, _)| place.level).collect();
    assert_eq!(levels, Level::ALL.into());
    assert!(!store.alone.is_empty());
}

/// Small, so that places are sealed within a test.
const RULE: SealRule = SealRule { bytes: 64, segments: 3 };
