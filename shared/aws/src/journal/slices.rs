//! Slices: parts of what follows from a commit, each of which fits one transaction.

use contract::{OrgId, ProductId, Timestamp, incident::Incident};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells},
    change::StoredIncident,
};
use ports::{PortError, PortResult};
use serde::{Deserialize, Serialize};

use crate::{
    item::malformed,
    sessions::bodies::{gunzip, gzip},
};

/// What one slice says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Slice {
    /// Incidents as they are to be stored.
    pub(crate) incidents: Vec<StoredIncident>,
    /// What is added.
    pub(crate) cells: Cells,
    /// Its size before it was compressed.
    pub(crate) bytes: usize,
}

/// Everything in slices: incidents in their order, then cells. What is added to one cell is in several slices if it is
/// more than one update takes.
pub(crate) fn slices(incidents: &[StoredIncident], cells: &Cells) -> PortResult<Vec<Vec<u8>>> {
    let mut slicer = Slicer::default();
    for StoredIncident { incident, retracted, revision } in incidents {
        slicer.incidents.push(encoded(&(incident, retracted, revision))?);
        slicer.cut_if_full()?;
    }
    for (key, cell) in cells {
        for (part, cell) in updates(cell).iter().enumerate() {
            // A transaction updates an item once.
            if part > 0 {
                slicer.cut()?;
            }
            let CellKey { org, product, day, kind, name } = key;
            let wire = (org, product, day.ms(), kind.as_str(), name, cell);
            slicer.cells.push(encoded(&wire)?);
            slicer.cut_if_full()?;
        }
    }
    slicer.cut()?;
    Ok(slicer.slices)
}

impl Slice {
    /// Reads a slice.
    pub(crate) fn read(packed: &[u8]) -> PortResult<Self> {
        let raw = gunzip(packed)?;
        let wire: Wire = serde_json::from_slice(&raw).map_err(|_| malformed("body"))?;
        let incident =
            |(incident, retracted, revision)| StoredIncident { incident, retracted, revision };
        let cell = |(org, product, day, kind, name, cell): WireCell| {
            let kind = CellKind::parse(&kind).ok_or_else(|| malformed("body"))?;
            Ok((CellKey { org, product, day: Timestamp::from_ms(day), kind, name }, cell))
        };
        Ok(Self {
            incidents: wire.i.into_iter().map(incident).collect(),
            cells: wire.c.into_iter().map(cell).collect::<PortResult<_>>()?,
            bytes: raw.len(),
        })
    }
}

#[derive(Deserialize)]
struct Wire {
    i: Vec<(Incident, bool, u32)>,
    c: Vec<WireCell>,
}

type WireCell = (OrgId, ProductId, i64, String, String, Cell);

#[derive(Default)]
struct Slicer {
    slices: Vec<Vec<u8>>,
    incidents: Vec<String>,
    cells: Vec<String>,
}

impl Slicer {
    fn cut_if_full(&mut self) -> PortResult<()> {
        let entries = self.incidents.len() + self.cells.len();
        let bytes: usize = self.incidents.iter().chain(&self.cells).map(String::len).sum();
        if entries >= ENTRIES_MAX || bytes >= BYTES_MAX { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> PortResult<()> {
        if self.incidents.is_empty() && self.cells.is_empty() {
            return Ok(());
        }
        let [incidents, cells] =
            [&mut self.incidents, &mut self.cells].map(|entries| std::mem::take(entries).join(","));
        let raw = format!("{{\"i\":[{incidents}],\"c\":[{cells}]}}");
        self.slices.push(gzip(raw.as_bytes())?);
        Ok(())
    }
}

/// What is added to a cell, in parts that one update takes. The note goes with each.
fn updates(cell: &Cell) -> Vec<Cell> {
    if cell.sums.len() + cell.actors.len() <= AMOUNTS_MAX {
        return vec![cell.clone()];
    }
    let part = || Cell { note: cell.note.clone(), ..Cell::default() };
    let mut parts = Vec::new();
    let sums: Vec<_> = cell.sums.iter().collect();
    for some in sums.chunks(AMOUNTS_MAX) {
        let sums = some.iter().map(|(name, value)| ((*name).clone(), **value)).collect();
        parts.push(Cell { sums, ..part() });
    }
    if !cell.actors.is_empty() {
        parts.push(Cell { actors: cell.actors.clone(), ..part() });
    }
    parts
}

fn encoded(value: &impl Serialize) -> PortResult<String> {
    serde_json::to_string(value).map_err(|error| PortError::permanent("sessions.commit", error))
}

/// An expression takes 4 KB and 300 operators; an amount takes up to 11 bytes of it.
pub(crate) const AMOUNTS_MAX: usize = 250;
/// A transaction takes 100 items, one of which is the entry's own.
const ENTRIES_MAX: usize = 90;
/// So that a transaction takes several slices, and an item one of them whatever it says.
const BYTES_MAX: usize = 200_000;
