//! What a session was: a function of its events alone, so that whoever has the events can compute it again.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{EventType, OrgId, Pillar, ProductId, Timestamp};

/// A session's identity, derived from whose it is and its first event: `s_` and 32 hexadecimal digits. It names nobody.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// The identity made of 16 bytes of a hash.
    #[must_use]
    pub fn of(hash: [u8; 16]) -> Self {
        Self(hash.iter().fold(PREFIX.to_owned(), |mut text, byte| {
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')),
            );
            text
        }))
    }

    /// Reads an identity.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() == 32 && digits.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a session id: s_ and 32 hexadecimal digits")
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SessionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^s_[0-9a-f]{32}$" })
    }
}

/// One session. Equal events under equal rules and baselines give equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// Its identity.
    pub session_id: SessionId,
    /// The tenant.
    pub org_id: OrgId,
    /// The tenant's product.
    pub product_id: ProductId,
    /// Time of its first event.
    pub started_at: Timestamp,
    /// Time of its last event.
    pub ended_at: Timestamp,
    /// Why it begins and ends where it does, beside a pause.
    #[serde(default, skip_serializing_if = "Bounds::are_natural")]
    pub bounds: Bounds,
    /// What was counted.
    pub metrics: SessionMetrics,
    /// How much it hurt.
    pub frustration: Frustration,
    /// How well it went.
    pub efficiency: Efficiency,
    /// Screens in order, repeats collapsed, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Its flows: one per task, or the way through it when it had no tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
    /// What happened on each screen, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub screens: BTreeMap<String, ScreenVisit>,
    /// Runs of tasks, in the order of their beginnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskRun>,
    /// What each pillar caused and prevented.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trace: BTreeMap<Pillar, PillarImpact>,
    /// Its incidents, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<String>,
    /// Version of the rules under which incidents were found.
    pub rules_version: u32,
}

/// Why a session begins and ends where it does, beside a pause of more than 30 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bounds {
    /// It goes on from an earlier one: activity of more than 12 hours or 5,000 events is cut, always at 00:00 and 12:00 UTC.
    #[serde(default)]
    pub cut_before: bool,
    /// It goes on in a later one.
    #[serde(default)]
    pub cut_after: bool,
    /// It was cut because it has as many events as a session may have; what came then is in a later one.
    #[serde(default)]
    pub truncated: bool,
}

impl Bounds {
    /// True for a session between two pauses, whole.
    #[must_use]
    pub fn are_natural(&self) -> bool {
        *self == Self::default()
    }
}

/// What was counted in a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionMetrics {
    /// From the first to the last event, ms.
    pub duration_ms: i64,
    /// The same without pauses of more than 60 s, ms.
    pub active_ms: i64,
    /// Events.
    pub events: u32,
    /// Clicks.
    pub clicks: u32,
    /// Screens visited, repeats counted.
    pub screens_visited: u32,
    /// Different screens.
    pub unique_screens: u32,
    /// Bursts of clicks, not clicks.
    pub rage_clicks: u32,
    /// Clicks that did nothing.
    pub dead_clicks: u32,
    /// Clicks that were followed by an error.
    pub error_clicks: u32,
    /// A → B → A within 20 s.
    pub backtracks: u32,
    /// Away from an open task and back.
    pub context_switches: u32,
    /// Tasks begun.
    pub tasks_started: u32,
    /// Tasks brought to their end.
    pub tasks_completed: u32,
    /// Tasks given up on purpose.
    pub tasks_cancelled: u32,
    /// Tasks left open for 15 minutes.
    pub tasks_abandoned: u32,
    /// Events with an error.
    pub errors: u32,
    /// `friction.*` events by type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub friction_events: BTreeMap<EventType, u32>,
    /// Incidents by rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub incidents: BTreeMap<crate::incident::Rule, u32>,
}

/// A frustration score that can be argued with: the sum of what is said here, and of nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frustration {
    /// The formula and its constants.
    pub model: String,
    /// 0 (no observed friction) to below 1.
    pub score: f64,
    /// For display; tiers are never averaged.
    pub tier: Tier,
    /// What the score is made of, the largest first; empty for a score of 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributions: Vec<Contribution>,
}

/// A signal's part in a frustration score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contribution {
    /// The signal: an incident's rule, or an event type.
    pub signal: String,
    /// How often.
    pub count: u32,
    /// What one weighs.
    pub weight: f64,
    /// Its part of the whole, 0 to 1.
    pub share: f64,
}

/// A frustration score in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Tier {
    /// 0.
    None,
    /// Below 0.20.
    Low,
    /// Below 0.50.
    Medium,
    /// 0.50 and more.
    High,
}

/// How well a session reached what it wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Efficiency {
    /// The formula and its constants.
    pub model: String,
    /// 0 to 1; absent when nothing was tried that can be measured.
    pub score: Option<f64>,
    /// What the score is based on.
    pub basis: EfficiencyBasis,
    /// Tasks completed of those begun, 0 to 1.
    pub completion: Option<f64>,
    /// Active seconds per completed task.
    pub seconds_per_task: Option<f64>,
    /// Clicks per completed task.
    pub clicks_per_task: Option<f64>,
    /// Smith's lostness, 0 (not lost) upwards; absent without screens.
    pub lostness: Option<f64>,
    /// What time and clicks are compared with.
    pub baseline: Option<Baseline>,
    /// Different screens of those visited, for sessions without tasks; never a part of the score.
    pub navigation_efficiency: Option<f64>,
}

/// What an efficiency score is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EfficiencyBasis {
    /// Tasks that were begun.
    Tasks,
    /// No task was begun.
    None,
}

/// What a task usually takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Baseline {
    /// Median active seconds of completed runs.
    pub seconds: f64,
    /// Median clicks of completed runs.
    pub clicks: f64,
    /// Completed runs it is the median of; with fewer than 50 the values are the assumed ones.
    pub completions: u64,
}

/// A way through a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Flow {
    /// The task it served; absent for the way through a session without tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How it ended.
    pub outcome: FlowOutcome,
    /// Screens in order, repeats collapsed, 2 to 12.
    pub path: Vec<String>,
    /// From each screen of the path to the next, ms; one fewer than screens.
    pub gaps_ms: Vec<i64>,
    /// From its first to its last event, ms.
    pub duration_ms: i64,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FlowOutcome {
    /// The task was completed.
    Completed,
    /// The task was given up on purpose.
    Cancelled,
    /// The task was left open.
    Abandoned,
    /// It had no task: the session ended.
    Ended,
    /// It is not decided: the session goes on and the task has time left.
    Open,
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskRun {
    /// The task's name.
    pub name: String,
    /// How it ended.
    pub outcome: FlowOutcome,
    /// When it began.
    pub started_at: Timestamp,
    /// From its beginning to its end, pauses of more than 60 s left out, ms.
    pub active_ms: i64,
    /// Clicks meanwhile.
    pub clicks: u32,
}

/// What a pillar did in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PillarImpact {
    /// Sum of the severities of friction events that name it, and one for each incident that does.
    pub caused: u32,
    /// Explanations asked for that no override and no abandonment followed within 10 minutes.
    pub prevented: u32,
}

/// What happened on one screen in one session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScreenVisit {
    /// How often it was entered.
    pub visits: u32,
    /// Time on it, pauses of more than 60 s left out, ms.
    pub dwell_ms: i64,
    /// The session's last screen.
    pub exit: bool,
    /// Bursts of clicks on it.
    pub rage_clicks: u32,
    /// Incidents on it.
    pub incidents: u32,
    /// The frustration formula over this screen's incidents alone, 0 to below 1.
    pub frustration: f64,
}

const PREFIX: &str = "s_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_reads_back_and_nothing_else_is_one() {
        let id = SessionId::of([0xa7; 16]);
        assert_eq!(SessionId::parse(id.as_str()), Some(id));
        for bad in
            ["", "s_", "s_A7", &format!("s_{}", "g".repeat(32)), &format!("s_{}", "A".repeat(32))]
        {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }
}
