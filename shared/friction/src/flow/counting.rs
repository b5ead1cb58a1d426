//! What the flows of a session add to the cells: a variant for each way, an edge for each step of it.

use std::{borrow::Cow, collections::BTreeMap};

use contract::session::{Flow, FlowOutcome, Session};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    cells::{Cell, CellKind, Cells, ENTRY, EXIT, edge_name},
    contribution::{key, micro},
};

/// Adds the flows of `session`, by an actor in `slot`.
pub fn contribute(session: &Session, slot: u8, cells: &mut Cells) {
    let mut own: BTreeMap<(CellKind, String), Cell> = BTreeMap::new();
    let friction = micro(session.frustration.score);
    for flow in &session.flows {
        let way = Way::of(flow);
        let variant = own.entry((CellKind::Variant, way.id())).or_default();
        variant.note = Some(way.note());
        variant.add(FLOWS, 1);
        let outcome = outcome_sum(flow.outcome);
        if flow.outcome == FlowOutcome::Ended {
            variant.add(outcome, 1);
        } else {
            variant.add_of(outcome, slot, 1);
        }
        variant.add(FRICTION, friction);
        variant.add(DURATION_MS, flow.duration_ms);
        let gaps = [0].into_iter().chain(flow.gaps_ms.iter().copied()).chain([0]);
        for ((from, to), gap_ms) in steps(&flow.path).zip(gaps) {
            let edge = own.entry((CellKind::Edge, edge_name(&from, &to))).or_default();
            edge.add(FLOWS, 1);
            edge.add(GAP_MS, gap_ms);
            edge.add(FRICTION, friction);
        }
    }
    for ((kind, name), mut cell) in own {
        cell.add(SESSIONS, 1);
        cell.see(slot);
        *cells.entry(key(session, kind, &name)).or_default() += &cell;
    }
}

/// What a variant is a variant of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Way {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<String>,
    pub(super) path: Vec<String>,
}

impl Way {
    pub(super) fn of(flow: &Flow) -> Self {
        Self { task: flow.task.clone(), path: flow.path.clone() }
    }

    pub(super) fn read(note: &str) -> Option<Self> {
        serde_json::from_str(note).ok()
    }

    /// What the cell of a variant is a variant of, if it says so.
    pub(super) fn of_cell(cell: &Cell) -> Option<Self> {
        Self::read(cell.note.as_deref()?)
    }

    /// 16 hexadecimal digits of the hash of what it is.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest(self.note().as_bytes());
        HEXLOWER.encode(hash.get(..8).unwrap_or_default())
    }

    /// The same as text. Names and lists of them can always be written.
    pub(super) fn note(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// From each screen of a path to the next, from the entry to the exit.
pub(super) fn steps(path: &[String]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let screens = || path.iter().map(|screen| node(screen));
    let from = [ENTRY.into()].into_iter().chain(screens());
    from.zip(screens().chain([EXIT.into()]))
}

/// The name of a screen among the steps: none is taken for the entry, the exit or another screen, whatever it is called.
fn node(screen: &str) -> Cow<'_, str> {
    if screen == ENTRY || screen == EXIT || screen.starts_with(ESCAPE) {
        format!("{ESCAPE}{screen}").into()
    } else {
        screen.into()
    }
}

fn outcome_sum(outcome: FlowOutcome) -> &'static str {
    match outcome {
        FlowOutcome::Completed => COMPLETED,
        FlowOutcome::Cancelled => "cancelled",
        FlowOutcome::Abandoned => "abandoned",
        FlowOutcome::Ended => ENDED,
        FlowOutcome::Open => "open",
    }
}

/// Stands before the name of a screen that is called like something else.
const ESCAPE: char = '\\';
/// Flows, or steps.
pub(super) const FLOWS: &str = "n";
/// Sessions.
pub(super) const SESSIONS: &str = "sessions";
/// Flows that completed their task.
pub(super) const COMPLETED: &str = "completed";
/// Flows whose task came to another end. In a variant with a task it is known who is behind each end.
pub(super) const LOST: [&str; 3] = ["cancelled", "abandoned", "open"];
/// Flows that had no task.
pub(super) const ENDED: &str = "ended";
/// Frustration of their sessions, in millionths.
pub(super) const FRICTION: &str = "f";
/// Time they took, ms.
pub(super) const DURATION_MS: &str = "ms";
/// Time between the two screens of a step, ms.
pub(super) const GAP_MS: &str = "gapMs";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cells::{CellKey, difference, merge},
        flow::sample::{any_sessions, counted, flow, session, way},
    };

    fn sums<'a>(cells: &'a Cells, kind: CellKind, name: &str) -> &'a Cell {
        let named = |(key, _): &(&CellKey, &Cell)| key.kind == kind && key.name == name;
        cells.iter().find(named).unwrap().1
    }

    #[test]
    fn a_flow_is_a_variant_and_the_steps_from_its_entry_to_its_exit() {
        let done = flow(Some("pay"), FlowOutcome::Completed, "/a /b /a");
        let cells = counted(&[session(3, 0.25, vec![done.clone()])]);
        let way = Way::of(&done);
        let variant = sums(&cells, CellKind::Variant, &way.id());
        assert_eq!(variant.note.as_deref(), Some(r#"{"task":"pay","path":["/a","/b","/a"]}"#));
        assert_eq!(Way::read(&way.note()), Some(way));
        let expected = [
            ("completed", 1),
            ("completed@0", 1),
            ("f", 250_000),
            ("ms", 2_000),
            ("n", 1),
            ("sessions", 1),
        ];
        let expected = expected.map(|(name, sum)| (name.to_owned(), sum)).into();
        assert_eq!(variant.sums, expected);
        assert_eq!(variant.actors_at_least(), 1);
        let edges: Vec<_> = cells.iter().filter(|(key, _)| key.kind == CellKind::Edge).collect();
        let names: Vec<_> = edges.iter().map(|(key, _)| key.name.as_str()).collect();
        assert_eq!(names, ["/a\t$", "/a\t/b", "/b\t/a", "^\t/a"]);
        assert_eq!(sums(&cells, CellKind::Edge, "/a\t/b").sum(GAP_MS), 1_000);
        assert_eq!(sums(&cells, CellKind::Edge, "^\t/a").sum(GAP_MS), 0);
    }

    #[test]
    fn a_session_that_goes_a_way_twice_is_one_session() {
        let cells = counted(&[session(1, 0.5, vec![way("/a /b"), way("/a /b")])]);
        let variant = sums(&cells, CellKind::Variant, &Way::of(&way("/a /b")).id());
        assert_eq!((variant.sum(FLOWS), variant.sum(SESSIONS)), (2, 1));
        assert_eq!((variant.sum(ENDED), variant.sum(FRICTION)), (2, 1_000_000));
        assert_eq!(variant.actors.values().sum::<i64>(), 1);
    }

    #[test]
    fn the_same_screens_for_another_task_are_another_variant() {
        let id = |flow: &Flow| Way::of(flow).id();
        let pay = flow(Some("pay"), FlowOutcome::Completed, "/a /b");
        let failed = flow(Some("pay"), FlowOutcome::Abandoned, "/a /b");
        assert_eq!(id(&pay), id(&failed));
        assert_ne!(id(&pay), id(&way("/a /b")));
        assert!(id(&pay).len() == 16 && id(&pay).bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn a_screen_called_like_the_entry_is_not_the_entry_nor_another_screen() {
        let path = ["^", "$", r"\^", "/^"].map(str::to_owned);
        let names: Vec<_> = steps(&path).map(|(from, to)| edge_name(&from, &to)).collect();
        assert_eq!(names, ["^\t\\^", "\\^\t\\$", "\\$\t\\\\^", "\\\\^\t/^", "/^\t$"]);
    }

    proptest! {
        #[test]
        fn screens_of_different_names_are_different_nodes(a in r"[\^$/\\a~]{1,3}", b in r"[\^$/\\a~]{1,3}") {
            prop_assert_eq!(node(&a) == node(&b), a == b);
            prop_assert!(![ENTRY, EXIT].contains(&&*node(&a)));
        }

        #[test]
        fn sessions_in_any_order_add_up_to_the_same_and_can_be_taken_back(
            (kept, mixed) in (any_sessions(), any_sessions()).prop_flat_map(|(kept, gone)| {
                let tagged: Vec<_> = kept.iter().map(|s| (true, s.clone()))
                    .chain(gone.into_iter().map(|s| (false, s))).collect();
                (Just(kept), Just(tagged).prop_shuffle())
            }),
        ) {
            let one = |session: &Session| {
                let mut cells = Cells::new();
                contribute(session, 7, &mut cells);
                cells
            };
            let add = |sum: &mut Cells, session: &Session| merge(sum, &one(session));
            let mut expected = Cells::new();
            kept.iter().for_each(|session| add(&mut expected, session));
            let mut held = Cells::new();
            mixed.iter().for_each(|(_, session)| add(&mut held, session));
            for (stays, session) in &mixed {
                if !stays {
                    merge(&mut held, &difference(one(session), Cells::new()));
                }
            }
            prop_assert_eq!(held, expected);
        }
    }
}
