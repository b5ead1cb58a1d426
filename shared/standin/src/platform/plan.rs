//! What the applier of the template made, and what is to be run over it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Functions by name.
    pub functions: BTreeMap<String, FunctionPlan>,
    /// What reads the stream.
    pub event_source_mappings: Vec<MappingPlan>,
    /// What reads a queue.
    pub queue_mappings: Vec<QueueMappingPlan>,
    /// What is done with what is put on the bus.
    pub rules: Vec<RulePlan>,
    /// What is invoked at a rate.
    pub schedules: Vec<SchedulePlan>,
    /// The function behind each HTTP API, by what the API is called.
    pub http: BTreeMap<String, String>,
    /// The function behind the WebSocket API.
    pub websocket: String,
}

/// One function.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionPlan {
    /// The directory of its `bootstrap`.
    pub code: String,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout_seconds: u64,
}

/// An event source mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappingPlan {
    /// Whom it invokes.
    pub function: String,
    /// The name of its checkpoints and of what it gave up.
    pub consumer: String,
    /// Most records of one invocation.
    pub batch_size: usize,
    /// How long it gathers.
    pub window_seconds: i64,
    /// Does it split a batch that failed?
    pub bisect: bool,
    /// Attempts after the first; -1 is without end.
    pub maximum_retry_attempts: i64,
    /// Age at which a record is given up.
    pub maximum_record_age_seconds: i64,
}

/// An event source mapping of a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueMappingPlan {
    /// The queue.
    pub queue: String,
    /// Whom it invokes.
    pub function: String,
    /// Most messages of one invocation.
    pub batch_size: usize,
    /// How long it gathers.
    pub window_seconds: u64,
    /// How often a message is handed over before it is dead.
    pub maximum_receives: u32,
}

/// A rule of a bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RulePlan {
    /// What it is called.
    pub name: String,
    /// The bus that it listens to.
    pub bus: String,
    /// Which events it is for.
    pub pattern: Value,
    /// The functions that it invokes.
    pub functions: Vec<String>,
    /// The queues that it sends to.
    pub queues: Vec<String>,
}

/// A schedule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulePlan {
    /// Whom it invokes.
    pub function: String,
    /// How often.
    pub every_seconds: u64,
    /// What it is told.
    pub input: String,
}
