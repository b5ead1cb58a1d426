//! Sessions with flows, for tests.

use std::collections::BTreeMap;

use contract::{
    Timestamp,
    limits::DAY_MS,
    session::{
        Bounds, Efficiency, EfficiencyBasis, Flow, FlowOutcome, Frustration, Session, SessionId,
        SessionMetrics, Tier,
    },
};
use proptest::prelude::*;

use super::contribute;
use crate::cells::{Cell, CellKey, Cells};

/// A flow over `screens` (`a b c`) that takes a second a step.
pub(super) fn flow(task: Option<&str>, outcome: FlowOutcome, screens: &str) -> Flow {
    let path: Vec<String> = screens.split_whitespace().map(str::to_owned).collect();
    let gaps_ms = vec![1_000; path.len() - 1];
    let duration_ms = gaps_ms.iter().sum();
    Flow { task: task.map(str::to_owned), outcome, path, gaps_ms, duration_ms }
}

/// The way through a session without tasks.
pub(super) fn way(screens: &str) -> Flow {
    flow(None, FlowOutcome::Ended, screens)
}

/// A session with `flows` on a day of that number.
pub(super) fn session(day: i64, score: f64, flows: Vec<Flow>) -> Session {
    let at = Timestamp::from_ms(day * DAY_MS + 5);
    Session {
        session_id: SessionId::of([1; 16]),
        org_id: contract::OrgId::parse("acme").unwrap(),
        product_id: contract::ProductId::default(),
        started_at: at,
        ended_at: at,
        bounds: Bounds::default(),
        metrics: SessionMetrics::default(),
        frustration: Frustration {
            model: "fr-1".to_owned(),
            score,
            tier: Tier::None,
            contributions: Vec::new(),
        },
        efficiency: Efficiency {
            model: "ef-1".to_owned(),
            score: None,
            basis: EfficiencyBasis::None,
            completion: None,
            seconds_per_task: None,
            clicks_per_task: None,
            lostness: None,
            baseline: None,
            navigation_efficiency: None,
        },
        path: Vec::new(),
        flows,
        screens: BTreeMap::new(),
        tasks: Vec::new(),
        trace: BTreeMap::new(),
        incidents: Vec::new(),
        rules_version: 1,
    }
}

/// What sessions, each by an actor of its own, add up to.
pub(super) fn counted(sessions: &[Session]) -> Cells {
    let mut cells = Cells::new();
    for (slot, session) in (0..64_u8).cycle().zip(sessions) {
        contribute(session, slot, &mut cells);
    }
    cells
}

/// The same flow in so many sessions on day 1.
pub(super) fn times(count: usize, score: f64, flow: Flow) -> Vec<Session> {
    vec![session(1, score, vec![flow]); count]
}

pub(super) fn rows(cells: &Cells) -> Vec<(CellKey, Cell)> {
    cells.iter().map(|(key, cell)| (key.clone(), cell.clone())).collect()
}

/// Up to 30 sessions over a few screens, tasks and days.
pub(super) fn any_sessions() -> impl Strategy<Value = Vec<Session>> {
    let outcome = prop::sample::select(vec![
        (None, FlowOutcome::Ended),
        (Some("pay"), FlowOutcome::Completed),
        (Some("pay"), FlowOutcome::Abandoned),
        (Some("read"), FlowOutcome::Cancelled),
    ]);
    let any_flow = (outcome, "[abc]( [abc]){1,4}")
        .prop_map(|((task, outcome), screens)| flow(task, outcome, &screens));
    let flows = prop::collection::vec(any_flow, 0..3);
    let any_session = (1..3_i64, 0..4_u8, flows)
        .prop_map(|(day, score, flows)| session(day, f64::from(score) / 4.0, flows));
    prop::collection::vec(any_session, 0..30)
}
