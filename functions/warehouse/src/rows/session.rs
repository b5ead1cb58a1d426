//! A session as a row of `fact_sessions`: what it adds to the cells of its day is what it adds to the sums of the warehouse.

use contract::{Timestamp, session::Tier};
use friction::{
    cells::{Cell, CellKind, Cells},
    change::{SessionState, StoredSession},
    contribution::{contribution, micro},
};
use ports::warehouse::Table;
use serde::{Deserialize, Serialize};

use super::{Row, day, row};

/// The row of a session's revision. One that is no session any more adds nothing, and says so.
#[must_use]
pub fn session(stored: &StoredSession) -> Row {
    let StoredSession { session, revision, state, actor_slot } = stored;
    let is_closed = *state == SessionState::Closed;
    let metrics = &session.metrics;
    let columns = SessionColumns {
        org_id: session.org_id.as_str(),
        product_id: session.product_id.as_str(),
        day: day(session.started_at),
        session_id: session.session_id.as_str(),
        revision: *revision,
        state: state.as_str(),
        started_at: session.started_at,
        ended_at: session.ended_at,
        actor_slot: *actor_slot,
        duration_ms: metrics.duration_ms,
        active_ms: metrics.active_ms,
        events: metrics.events,
        clicks: metrics.clicks,
        screens_visited: metrics.screens_visited,
        unique_screens: metrics.unique_screens,
        rage_clicks: metrics.rage_clicks,
        dead_clicks: metrics.dead_clicks,
        error_clicks: metrics.error_clicks,
        backtracks: metrics.backtracks,
        context_switches: metrics.context_switches,
        tasks_started: metrics.tasks_started,
        tasks_completed: metrics.tasks_completed,
        tasks_cancelled: metrics.tasks_cancelled,
        tasks_abandoned: metrics.tasks_abandoned,
        errors: metrics.errors,
        incidents: metrics.incidents.values().sum(),
        friction_micro: micro(session.frustration.score),
        friction_tier: tier(session.frustration.tier),
        friction_model: &session.frustration.model,
        efficiency_micro: session.efficiency.score.map(micro),
        efficiency_model: &session.efficiency.model,
        rules_version: session.rules_version,
        cut_before: session.bounds.cut_before,
        cut_after: session.bounds.cut_after,
        truncated: session.bounds.truncated,
        path: &session.path,
        incident_ids: if is_closed { &session.incidents } else { &[] },
        friction_event_types: metrics.friction_events.keys().map(|kind| kind.as_str()).collect(),
        friction_event_counts: metrics.friction_events.values().copied().collect(),
        parts: Parts::of(&contribution(stored)),
    };
    row(Table::Sessions, &session.org_id, &columns)
}

#[derive(Serialize)]
struct SessionColumns<'a> {
    org_id: &'a str,
    product_id: &'a str,
    day: String,
    session_id: &'a str,
    revision: u32,
    state: &'static str,
    started_at: Timestamp,
    ended_at: Timestamp,
    actor_slot: u8,
    duration_ms: i64,
    active_ms: i64,
    events: u32,
    clicks: u32,
    screens_visited: u32,
    unique_screens: u32,
    rage_clicks: u32,
    dead_clicks: u32,
    error_clicks: u32,
    backtracks: u32,
    context_switches: u32,
    tasks_started: u32,
    tasks_completed: u32,
    tasks_cancelled: u32,
    tasks_abandoned: u32,
    errors: u32,
    incidents: u32,
    friction_micro: i64,
    friction_tier: &'static str,
    friction_model: &'a str,
    efficiency_micro: Option<i64>,
    efficiency_model: &'a str,
    rules_version: u32,
    cut_before: bool,
    cut_after: bool,
    truncated: bool,
    path: &'a [String],
    incident_ids: &'a [String],
    #[serde(rename = "friction_events.event_type")]
    friction_event_types: Vec<&'static str>,
    #[serde(rename = "friction_events.events")]
    friction_event_counts: Vec<u32>,
    #[serde(flatten)]
    parts: Parts,
}

macro_rules! parts {
    ($($field:ident $column:literal $type:ty,)*) => {
        /// What a session adds to the sums by screen, flow, step, task, pillar and signal: columns of equal length.
        #[derive(Default, Serialize)]
        struct Parts {
            $(#[serde(rename = $column)] $field: Vec<$type>,)*
        }
    };
}

parts! {
    screen_names "screens.screen" String,
    screen_visits "screens.visits" i64,
    screen_dwell_ms "screens.dwell_ms" i64,
    screen_friction "screens.friction_micro" i64,
    screen_rage_sessions "screens.rage_sessions" i64,
    screen_exits "screens.exits" i64,
    screen_incidents "screens.incidents" i64,
    screen_efficiency "screens.efficiency_micro" i64,
    screen_rated "screens.rated" i64,
    flow_ids "flows.id" String,
    flow_tasks "flows.task" String,
    flow_paths "flows.path" Vec<String>,
    flow_flows "flows.flows" i64,
    flow_completed "flows.completed" i64,
    flow_ended "flows.ended" i64,
    flow_friction "flows.friction_micro" i64,
    flow_duration_ms "flows.duration_ms" i64,
    step_from "steps.from" String,
    step_to "steps.to" String,
    step_steps "steps.steps" i64,
    step_gap_ms "steps.gap_ms" i64,
    step_friction "steps.friction_micro" i64,
    task_names "tasks.task" String,
    task_started "tasks.started" i64,
    task_completed "tasks.completed" i64,
    task_cancelled "tasks.cancelled" i64,
    task_abandoned "tasks.abandoned" i64,
    pillar_names "pillars.pillar" String,
    pillar_caused "pillars.caused" i64,
    pillar_prevented "pillars.prevented" i64,
    signal_names "signals.signal" String,
    signal_incidents "signals.incidents" i64,
    signal_friction "signals.friction_micro" i64,
}

impl Parts {
    fn of(cells: &Cells) -> Self {
        let mut parts = Self::default();
        let all = cells.iter().find(|(key, _)| key.kind == CellKind::Overview).map(|(_, all)| all);
        for (key, cell) in cells {
            match key.kind {
                CellKind::Overview => {}
                CellKind::Screen => parts.screen(&key.name, cell),
                CellKind::Variant => parts.flow(&key.name, cell),
                CellKind::Edge => parts.step(&key.name, cell),
                CellKind::Task => parts.task(&key.name, cell),
                CellKind::Pillar => parts.pillar(&key.name, cell),
                CellKind::Rule => parts.signal(&key.name, cell, all),
            }
        }
        parts
    }

    fn screen(&mut self, name: &str, cell: &Cell) {
        self.screen_names.push(name.to_owned());
        self.screen_visits.push(cell.sum("visits"));
        self.screen_dwell_ms.push(cell.sum("dwellMs"));
        self.screen_friction.push(cell.sum("frustration"));
        self.screen_rage_sessions.push(cell.sum("rageSessions"));
        self.screen_exits.push(cell.sum("exits"));
        self.screen_incidents.push(cell.sum("incidents"));
        self.screen_efficiency.push(cell.sum("efficiency"));
        self.screen_rated.push(cell.sum("efficiencySessions"));
    }

    fn flow(&mut self, id: &str, cell: &Cell) {
        let way = cell.note.as_deref().and_then(|note| serde_json::from_str(note).ok());
        let Way { task, path } = way.unwrap_or_default();
        self.flow_ids.push(id.to_owned());
        self.flow_tasks.push(task.unwrap_or_default());
        self.flow_paths.push(path);
        self.flow_flows.push(cell.sum("n"));
        self.flow_completed.push(cell.sum("completed"));
        self.flow_ended.push(cell.sum("ended"));
        self.flow_friction.push(cell.sum("f"));
        self.flow_duration_ms.push(cell.sum("ms"));
    }

    fn step(&mut self, name: &str, cell: &Cell) {
        let (from, to) = name.split_once('\t').unwrap_or((name, ""));
        self.step_from.push(from.to_owned());
        self.step_to.push(to.to_owned());
        self.step_steps.push(cell.sum("n"));
        self.step_gap_ms.push(cell.sum("gapMs"));
        self.step_friction.push(cell.sum("f"));
    }

    fn task(&mut self, name: &str, cell: &Cell) {
        self.task_names.push(name.to_owned());
        self.task_started.push(cell.sum("started"));
        self.task_completed.push(cell.sum("completed"));
        self.task_cancelled.push(cell.sum("cancelled"));
        self.task_abandoned.push(cell.sum("abandoned"));
    }

    fn pillar(&mut self, name: &str, cell: &Cell) {
        self.pillar_names.push(name.to_owned());
        self.pillar_caused.push(cell.sum("caused"));
        self.pillar_prevented.push(cell.sum("prevented"));
    }

    fn signal(&mut self, name: &str, cell: &Cell, all: Option<&Cell>) {
        let part = all.map_or(0, |all| all.sum(&format!("c.{name}")));
        self.signal_names.push(name.to_owned());
        self.signal_incidents.push(cell.sum("incidents"));
        self.signal_friction.push(part);
    }
}

/// What a flow is, as its cell notes it.
#[derive(Default, Deserialize)]
struct Way {
    #[serde(default)]
    task: Option<String>,
    path: Vec<String>,
}

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::None => "none",
        Tier::Low => "low",
        Tier::Medium => "medium",
        Tier::High => "high",
    }
}
