//! What the flows of a session add to the cells: a variant for each way, an edge for each step of it.

use std::collections::BTreeMap;

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
        variant.add(outcome_sum(flow.outcome), 1);
        variant.add(FRICTION, friction);
        variant.add(DURATION_MS, flow.duration_ms);
        for (name, gap_ms) in steps(flow) {
            let edge = own.entry((CellKind::Edge, name)).or_default();
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

    /// 16 hexadecimal digits of the hash of what it is.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest(self.note().as_bytes());
        HEXLOWER.encode(hash.get(..8).unwrap_or_default())
    }

    /// The same as text.
    pub(super) fn note(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// The steps of a flow, from its entry to its exit, and how long each took.
fn steps(flow: &Flow) -> impl Iterator<Item = (String, i64)> + '_ {
    let screens = || flow.path.iter().map(String::as_str);
    let from = [ENTRY].into_iter().chain(screens());
    let to = screens().chain([EXIT]);
    let gaps = [0].into_iter().chain(flow.gaps_ms.iter().copied()).chain([0]);
    from.zip(to).zip(gaps).map(|((from, to), gap_ms)| (edge_name(from, to), gap_ms))
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

/// Flows, or steps.
pub(super) const FLOWS: &str = "n";
/// Sessions.
pub(super) const SESSIONS: &str = "sessions";
/// Flows that completed their task.
pub(super) const COMPLETED: &str = "completed";
/// Flows that had no task.
pub(super) const ENDED: &str = "ended";
/// Frustration of their sessions, in millionths.
pub(super) const FRICTION: &str = "f";
/// Time they took, ms.
pub(super) const DURATION_MS: &str = "ms";
/// Time between the two screens of a step, ms.
pub(super) const GAP_MS: &str = "gapMs";
