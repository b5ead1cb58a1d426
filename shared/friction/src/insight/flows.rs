//! Ways and steps, with what they are based on.

use contract::{
    insights::{
        asked::Asked,
        flows::{DropOff, FlowEdge, FlowGraph, TopFlow, TopFlows},
    },
    limits::K_ANONYMITY,
};

use super::{basis, rounded};
use crate::{
    cells::{Cell, CellKey},
    flow::{self, DEPENDENCY_MIN, FlowSort, TopQuestion},
    rules::FlowNames,
};

/// The first `limit` ways of what `cells` hold, by their `names`.
#[must_use]
pub fn top_flows(
    asked: Asked,
    (sort, limit): (FlowSort, usize),
    names: &FlowNames,
    cells: &[(CellKey, Cell)],
) -> TopFlows {
    let question = TopQuestion { actors_min: K_ANONYMITY, sort, limit, names };
    let flow::TopFlows { flows, total, suppressed } = flow::top(cells, &question);
    TopFlows {
        basis: basis(asked, suppressed, &[]),
        total_flows: total,
        flows: flows.into_iter().map(told).collect(),
    }
}

/// The first `limit` steps of what `cells` hold, with the `names` of the flows in `variants` that take them.
#[must_use]
pub fn flow_graph(
    asked: Asked,
    limit: usize,
    (names, variants): (&FlowNames, &[(CellKey, Cell)]),
    cells: &[(CellKey, Cell)],
) -> FlowGraph {
    let flow::Graph { edges, total, hidden, suppressed } = flow::graph(cells, K_ANONYMITY);
    let mut named = flow::names_of_steps(variants, K_ANONYMITY, names);
    let mut flows = |from: &str, to: &str| {
        let named = named.remove(&(from.to_owned(), to.to_owned())).unwrap_or_default();
        named.into_iter().map(str::to_owned).collect()
    };
    let beyond = u64::try_from(edges.len().saturating_sub(limit)).unwrap_or(u64::MAX);
    let edges = edges.into_iter().take(limit).map(|edge| FlowEdge {
        flows: flows(&edge.from, &edge.to),
        from: edge.from,
        to: edge.to,
        steps: edge.steps,
        sessions: edge.sessions,
        dependency: edge.dependency.map(rounded),
        avg_gap_sec: edge.avg_gap_sec.map(rounded),
        avg_friction: rounded(edge.avg_friction),
        backtrack: edge.backtrack,
    });
    FlowGraph {
        basis: basis(asked, suppressed, &[("dependencyMin", DEPENDENCY_MIN)]),
        total_steps: total,
        hidden,
        beyond,
        edges: edges.collect(),
    }
}

fn told(flow: flow::TopFlow) -> TopFlow {
    let dropoff = flow.drop_off.into_iter().map(|stop| DropOff {
        screen: stop.screen,
        rate: stop.rate.map(rounded),
        flows: stop.flows,
    });
    TopFlow {
        id: flow.id,
        label: flow.label,
        task: flow.task,
        path: flow.path,
        flows: flow.flows,
        sessions: flow.sessions,
        share: rounded(flow.share),
        completion_rate: flow.completion_rate.map(rounded),
        avg_friction: rounded(flow.avg_friction),
        avg_duration_sec: rounded(flow.avg_duration_sec),
        impact: flow.impact.map(rounded),
        dropoff: dropoff.collect(),
    }
}
