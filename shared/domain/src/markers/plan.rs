//! Finding an id's marker, and planning where new ones go.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    log::{Log, SealRule},
    place::{Level, PackedId, Place},
    segment::{ENTRIES_MAX, Entry, Segment},
};

/// What the logs say about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It has a marker, which says this.
    Known(u32),
    /// It has none.
    Absent,
    /// This place has to be read first.
    Unread(Place),
    /// Every place is sealed: it has an item of its own, or none.
    Alone,
}

/// A marker to be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The event.
    pub id: PackedId,
    /// What is to be remembered about it.
    pub payload: u32,
}

/// One write: `segment` under `number` of `place`, if nothing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where.
    pub place: Place,
    /// Under which number.
    pub number: u32,
    /// What.
    pub segment: Segment,
}

/// How markers are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// These places have to be read first.
    Unread(BTreeSet<Place>),
    /// One of the ids has a marker already, or comes twice.
    Known,
    /// All of this in one transaction.
    Write {
        /// No two of them under one number of one place.
        appends: Vec<Append>,
        /// The marks, by their position, that get an item of their own.
        alone: Vec<usize>,
    },
}

/// Finds an id in the logs that `log` has read.
pub fn look_up<'a>(id: PackedId, log: impl Fn(Place) -> Option<&'a Log>) -> Lookup {
    for level in Level::ALL {
        let place = id.place(level);
        let Some(log) = log(place) else { return Lookup::Unread(place) };
        if let Some(payload) = log.find(id.entry_key()) {
            return Lookup::Known(payload);
        }
        if !log.is_sealed() {
            return Lookup::Absent;
        }
    }
    Lookup::Alone
}

/// Plans where markers go, by the logs that `log` has read.
///
/// Whoever wrote to a place in the meantime took the number that this plan counts on, so a plan that can be carried out
/// is right. Below a place that this very plan seals there is nothing yet: nobody goes there before the seal is written.
pub fn plan<'a>(marks: &[Mark], rule: SealRule, log: impl Fn(Place) -> Option<&'a Log>) -> Plan {
    let distinct: BTreeSet<PackedId> = marks.iter().map(|mark| mark.id).collect();
    if distinct.len() < marks.len() {
        return Plan::Known;
    }
    let mut planning = Planning { rule, log, drawn: Drawn::default() };
    planning.descend(Some(Level::Coarse), marks.iter().copied().enumerate().collect(), Below::Read);
    let Drawn { known, unread, appends, alone } = planning.drawn;
    if known {
        Plan::Known
    } else if unread.is_empty() {
        Plan::Write { appends, alone }
    } else {
        Plan::Unread(unread)
    }
}

struct Planning<F> {
    rule: SealRule,
    log: F,
    drawn: Drawn,
}

#[derive(Default)]
struct Drawn {
    known: bool,
    unread: BTreeSet<Place>,
    appends: Vec<Append>,
    alone: Vec<usize>,
}

/// What lies below a place.
#[derive(Clone, Copy)]
enum Below {
    /// What was read.
    Read,
    /// Nothing: this plan seals the place.
    Nothing,
}

impl<'a, F: Fn(Place) -> Option<&'a Log>> Planning<F> {
    fn descend(&mut self, level: Option<Level>, marks: Vec<(usize, Mark)>, below: Below) {
        let Some(level) = level else {
            self.drawn.alone.extend(marks.iter().map(|(at, _)| *at));
            return;
        };
        let mut places: BTreeMap<Place, Vec<(usize, Mark)>> = BTreeMap::new();
        for (at, mark) in marks {
            places.entry(mark.id.place(level)).or_default().push((at, mark));
        }
        let nothing = Log::default();
        for (place, marks) in places {
            match (below, (self.log)(place)) {
                (Below::Nothing, _) => self.leave(place, &nothing, marks),
                (Below::Read, Some(log)) => self.leave(place, log, marks),
                (Below::Read, None) => {
                    self.drawn.unread.insert(place);
                }
            }
        }
    }

    /// Leaves marks at a place, or at finer ones.
    fn leave(&mut self, place: Place, log: &Log, marks: Vec<(usize, Mark)>) {
        self.drawn.known |= marks.iter().any(|(_, mark)| log.find(mark.id.entry_key()).is_some());
        let finer = place.level.finer();
        if log.is_sealed() {
            return self.descend(finer, marks, Below::Read);
        }
        if log.is_full(self.rule) {
            let seal = Append { place, number: log.next(), segment: Segment::Seal };
            self.drawn.appends.push(seal);
            return self.descend(finer, marks, Below::Nothing);
        }
        for (number, part) in (log.next()..).zip(marks.chunks(ENTRIES_MAX)) {
            let entry = |(_, mark): &(usize, Mark)| Entry {
                key: mark.id.entry_key(),
                payload: mark.payload,
            };
            let segment = Segment::Entries(part.iter().map(entry).collect());
            self.drawn.appends.push(Append { place, number, segment });
        }
    }
}
