//! What each pillar caused and prevented.

use contract::{
    Pillar,
    insights::{
        asked::Asked,
        trace::{PillarEffect, Trace, TraceSource},
    },
    limits::K_ANONYMITY,
};

use super::{Period, Rows, Telling, basis, count};
use crate::{
    cells::{Cell, CellKey},
    disclosure::may_tell,
};

/// What each pillar that was seen caused and prevented, in the order of the pillars.
#[must_use]
pub fn trace(asked: Asked, period: Period, cells: &[(CellKey, Cell)]) -> Trace {
    let rows = Rows::of(cells, period);
    let mut telling = Telling::default();
    let pillars = Pillar::ALL.iter().filter_map(|pillar| {
        let cell = rows.get(pillar.as_str())?;
        let mut sum = |name| {
            let sum = cell.sum(name);
            telling.tell(may_tell(sum, cell.behind(name), K_ANONYMITY), sum)
        };
        let (caused, prevented) = (sum("caused"), sum("prevented"));
        Some(PillarEffect {
            pillar: *pillar,
            sessions: count(cell.sum("sessions")),
            caused: caused.map(count),
            prevented: prevented.map(count),
            net_impact: caused
                .zip(prevented)
                .map(|(caused, prevented)| prevented.saturating_sub(caused)),
        })
    });
    Trace {
        pillars: pillars.collect(),
        source: TraceSource::Local,
        basis: basis(asked, rows.suppressed() + telling.withheld, &[]),
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
        let cells = [
            pillar("reasoning", 9, &[("caused", 9), ("prevented", 5)]),
            pillar("explainability", 5, &[("prevented", 5)]),
            pillar("compliance", 4, &[("caused", 4)]),
        ];
        let told = trace(asked(days(2, 3)), days(2, 3), &cells);
        let rows: Vec<_> = told.pillars.iter().map(|row| (row.pillar, row.net_impact)).collect();
        assert_eq!(rows, [(Pillar::Reasoning, Some(-4)), (Pillar::Explainability, Some(5))]);
        assert_eq!((told.basis.suppressed, told.source), (1, TraceSource::Local));
    }

    #[test]
    fn what_few_caused_or_prevented_is_not_told_though_many_saw_the_pillar() {
        let cells = [pillar("reasoning", 9, &[("caused", 9), ("prevented", 4)])];
        let told = trace(asked(days(2, 3)), days(2, 3), &cells);
        let row = &told.pillars[0];
        assert_eq!((row.sessions, row.caused), (9, Some(9)));
        assert_eq!((row.prevented, row.net_impact), (None, None));
        assert_eq!(told.basis.suppressed, 1);
    }

    /// One session of each of `actors`, of whom the first so many add one to each sum.
    fn pillar(name: &str, actors: u8, sums: &[(&str, u8)]) -> (CellKey, Cell) {
        let (key, mut cell) = cell((CellKind::Pillar, name), 2, 0..actors, &[]);
        for (name, of) in sums {
            (0..*of).for_each(|slot| cell.add_of(name, slot, 1));
        }
        (key, cell)
    }
}
