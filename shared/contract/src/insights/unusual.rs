//! Sessions that went where hardly anybody goes.

use serde::{Deserialize, Serialize};

use super::asked::Basis;
use crate::{ProductId, Timestamp, session::SessionId};

/// The unusual sessions of a time, the most unusual first. It names single sessions, as `/v1/sessions` does; what they are
/// compared with is of at least `actorsMin` actors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnusualSessions {
    /// What the numbers are based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Closed sessions with a flow that were looked at.
    pub considered: u64,
    /// False: there are more sessions in this time than are looked at, and these are the newest.
    pub complete: bool,
    /// Sessions that are as unusual as asked for, and left out since there are more than were asked for.
    pub beyond: u64,
    /// The sessions that are more unusual than at least `percentileMin` in a hundred flows.
    pub sessions: Vec<UnusualSession>,
}

/// A session, and how unusual its way was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnusualSession {
    /// The session.
    pub session_id: SessionId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// Time of its first event.
    pub started_at: Timestamp,
    /// Time of its last event.
    pub ended_at: Timestamp,
    /// Its frustration score, 0 to below 1.
    pub frustration: f64,
    /// Screens in order, repeats collapsed, at most 20.
    pub path: Vec<String>,
    /// How unusual its way was.
    pub unusual: Unusual,
}

/// How unusual the way of a session was, to somebody who knows where people usually go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unusual {
    /// `−(1/m) Σ log2 likelihood` over the m steps of its flows, from the entry to the exit: mean surprise, in bits.
    pub bits_per_step: f64,
    /// Of all flows that it is compared with, how many in a hundred are less unusual, at least. What is not kept by its way
    /// counts as more unusual.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub percentile: f64,
    /// Its least likely step.
    pub rarest: RareStep,
    /// Flows that it is compared with.
    pub flows: u64,
    /// Start of the days that they are of.
    pub from: Timestamp,
    /// End of the days that they are of, exclusive.
    pub to: Timestamp,
}

/// A step, and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RareStep {
    /// From; `^` for the beginning. A screen whose own name is `^` or `$`, or begins with `\`, has a `\` before it.
    pub from: String,
    /// To; `$` for the end.
    pub to: String,
    /// The part of those who were there that go there, 0 to 1, with a little for what was never seen.
    pub likelihood: f64,
}
