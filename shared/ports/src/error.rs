//! The world failing: the only thing a handler ever branches on is whether trying again can help.

/// What a port answers.
pub type PortResult<T> = Result<T, PortError>;

/// A store, a stream or a network that did not do its part.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed ({}): {source}", if *.transient { "transient" } else { "permanent" })]
pub struct PortError {
    /// What was tried, as a short name for logs and alarms.
    pub operation: &'static str,
    /// True when the same call may succeed later: throttling, timeouts, a full disk. False when somebody has to act.
    pub transient: bool,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    /// A failure that may pass.
    pub fn transient(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, transient: true, source: source.into() }
    }

    /// A failure that stays until somebody acts.
    pub fn permanent(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, transient: false, source: source.into() }
    }
}
