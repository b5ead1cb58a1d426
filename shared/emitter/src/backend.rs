//! Trouble of backends, as the person in front of them feels it.

use contract::EventType;

use crate::draft::{Draft, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Backend {}

/// An operation failed with this code.
pub fn error(operation: &str, code: &str) -> Draft<Backend> {
    draft(EventType::BackendError, operation).error_code(code)
}

/// An operation is tried again, for the n-th time.
pub fn retry(operation: &str, attempt: u32) -> Draft<Backend> {
    draft(EventType::BackendRetry, operation).context("attempt", attempt)
}

/// An operation ran out of time.
pub fn timeout(operation: &str) -> Draft<Backend> {
    draft(EventType::BackendTimeout, operation)
}

impl Draft<Backend> {
    /// What went wrong, at most 64 bytes.
    pub fn error_code(self, code: &str) -> Self {
        self.with_member("error", "code", code)
    }

    /// Coarser than the code; goes with [`Self::error_code`].
    pub fn error_category(self, category: &str) -> Self {
        self.with_member("error", "category", category)
    }

    /// How long it took until it failed, ms; goes with [`Self::error_code`].
    pub fn error_latency_ms(self, ms: u32) -> Self {
        self.with_member("error", "latencyMs", ms)
    }
}

context_keys! { Backend {
    /// The status code that came back.
    status_code(u16) = "statusCode";
    /// How long it took, ms.
    latency_ms(u32) = "latencyMs";
    /// The service that was called.
    dependency(&str) = "dependency";
} }

fn draft(event_type: EventType, operation: &str) -> Draft<Backend> {
    Draft::new(event_type).requiring(&["operation"]).context("operation", operation)
}
