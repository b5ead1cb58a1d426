//! Tasks of users.

use contract::EventType;

use crate::draft::{Draft, RawId, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Task {}

/// A task began.
pub fn started(name: &str) -> Draft<Task> {
    draft(EventType::TaskStarted, name)
}

/// A task was finished.
pub fn completed(name: &str) -> Draft<Task> {
    draft(EventType::TaskCompleted, name)
}

/// A task was cancelled on purpose.
pub fn cancelled(name: &str) -> Draft<Task> {
    draft(EventType::TaskCancelled, name)
}

impl Draft<Task> {
    /// One run of the task: pairs its beginning with its end. Leaves the host as a token.
    pub fn task_id(self, raw: impl Into<RawId>) -> Self {
        let raw = raw.into();
        self.with_member("task", "id", raw.as_str())
    }
}

context_keys! { Task {
    /// The step it is at.
    step(&str) = "step";
    /// How it ended.
    outcome(&str) = "outcome";
    /// How long it took, ms.
    duration_ms(u32) = "durationMs";
} }

fn draft(event_type: EventType, name: &str) -> Draft<Task> {
    Draft::new(event_type).with_member("task", "name", name)
}
