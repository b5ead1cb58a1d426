//! Which way people go.

use serde::{Deserialize, Serialize};

use super::asked::Basis;

/// The ways that most went, or on which most is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TopFlows {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Flows in all, those that are left out or not kept by their way among them; absent when they are of fewer than `actorsMin`
    /// actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_flows: Option<u64>,
    /// The ways.
    pub flows: Vec<TopFlow>,
}

/// One way, by however many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TopFlow {
    /// 16 hexadecimal digits.
    pub id: String,
    /// The name somebody gave it, else its task, else `first → last`.
    pub label: String,
    /// The task it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Its screens.
    pub path: Vec<String>,
    /// How often it was gone.
    pub flows: u64,
    /// In how many sessions.
    pub sessions: u64,
    /// Its part of all flows, 0 to 1.
    pub share: f64,
    /// Flows that completed their task of all, 0 to 1; absent without a task, and when these flows, or the others, are of fewer
    /// than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_rate: Option<f64>,
    /// Mean frustration of its sessions, 0 to 1.
    pub avg_friction: f64,
    /// Mean time from its first to its last event, s.
    pub avg_duration_sec: f64,
    /// How many × how much it hurts × how rarely it is completed; without a task it never is. Absent when its completion rate
    /// may not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<f64>,
    /// Where people who went this far went no further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropoff: Vec<DropOff>,
}

/// How many stopped at a screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DropOff {
    /// The screen.
    pub screen: String,
    /// Of the flows of the same task that came here on the same way, those that ended here without completing it, 0 to 1; absent
    /// when these flows, or the others, are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Flows of the same task that came here on the same way; absent when they would tell about fewer than `actorsMin` actors
    /// beside the other numbers of this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u64>,
}

/// Steps from screen to screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowGraph {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Steps in all, those that are left out among them; absent when they are of fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// Edges that are left out since they mostly go the other way.
    pub hidden: u64,
    /// Edges that are left out since there are more than were asked for.
    pub beyond: u64,
    /// The edges, the most frequent first.
    pub edges: Vec<FlowEdge>,
}

/// Steps from one screen to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowEdge {
    /// From; `^` for the beginning. A screen whose own name is `^` or `$`, or begins with `\`, has a `\` before it.
    pub from: String,
    /// To; `$` for the end.
    pub to: String,
    /// How often. As many come to a screen as leave it, and in all there are `totalSteps`: this is absent, with the two numbers
    /// after it, when it would tell how often fewer than `actorsMin` actors took a step that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// In how many sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// `(|a>b| − |b>a|) / (|a>b| + |b>a| + 1)`: near 1, one leads to the other; near 0, they go to and fro. Absent as well when
    /// the way back was taken, but by fewer than `actorsMin` actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<f64>,
    /// Mean time on the first screen until then, s; absent at the beginning and the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg_gap_sec: Option<f64>,
    /// Mean frustration of the sessions, 0 to 1.
    pub avg_friction: f64,
    /// One of the most frequent ways to and fro.
    pub backtrack: bool,
    /// The names that somebody gave to flows which take this step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<String>,
}
