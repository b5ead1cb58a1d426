//! What each pillar caused and prevented.

use contract::{
    Pillar,
    insights::{
        asked::Asked,
        trace::{PillarEffect, Trace, TraceSource},
    },
};

use super::{Period, Rows, basis, count};
use crate::cells::{Cell, CellKey};

/// What each pillar that was seen caused and prevented, in the order of the pillars.
#[must_use]
pub fn trace(asked: Asked, period: Period, cells: &[(CellKey, Cell)]) -> Trace {
    let rows = Rows::of(cells, period);
    let pillars = Pillar::ALL.iter().filter_map(|pillar| {
        let cell = rows.get(pillar.as_str())?;
        let (caused, prevented) = (cell.sum("caused"), cell.sum("prevented"));
        Some(PillarEffect {
            pillar: *pillar,
            sessions: count(cell.sum("sessions")),
            caused: count(caused),
            prevented: count(prevented),
            net_impact: prevented.saturating_sub(caused),
        })
    });
    Trace {
        pillars: pillars.collect(),
        source: TraceSource::Local,
        basis: basis(asked, rows.suppressed(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::CellKind,
        insight::{
            rows::tests::{cell, days},
            tests::asked,
        },
    };

    #[test]
    fn what_was_prevented_counts_against_what_was_caused() {
        let pillar = |name, actors, sums: &[_]| cell((CellKind::Pillar, name), 2, 0..actors, sums);
        let cells = [
            pillar("reasoning", 9, &[("caused", 7), ("prevented", 3)]),
            pillar("explainability", 5, &[("prevented", 2)]),
            pillar("compliance", 4, &[("caused", 50)]),
        ];
        let told = trace(asked(days(2, 3)), days(2, 3), &cells);
        let rows: Vec<_> = told.pillars.iter().map(|row| (row.pillar, row.net_impact)).collect();
        assert_eq!(rows, [(Pillar::Reasoning, -4), (Pillar::Explainability, 2)]);
        assert_eq!((told.basis.suppressed, told.source), (1, TraceSource::Local));
    }
}
