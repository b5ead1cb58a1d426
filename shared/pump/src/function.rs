//! What a stream is pumped into: raw JSON in, raw JSON out, as Lambda invokes it.

use std::error::Error;

/// A function behind an event source mapping.
pub trait StreamFunction: Send + Sync {
    /// Handles one batch and answers with Lambda's partial-batch answer. The same records may come again, alone or in
    /// other company.
    fn invoke(&self, payload: &str) -> impl Future<Output = Result<String, FunctionError>> + Send;
}

/// A function that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// It ran and failed, timed out or panicked: the batch is split or the attempt counted.
    #[error("the function failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It did not run, as when Lambda throttles: no attempt is counted.
    #[error("the function could not be run: {0}")]
    NotRun(#[source] Box<dyn Error + Send + Sync>),
}

impl FunctionError {
    /// It ran and failed.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(source.into())
    }
}

impl<F: StreamFunction> StreamFunction for &F {
    fn invoke(&self, payload: &str) -> impl Future<Output = Result<String, FunctionError>> + Send {
        (*self).invoke(payload)
    }
}

impl<F: StreamFunction> StreamFunction for std::sync::Arc<F> {
    fn invoke(&self, payload: &str) -> impl Future<Output = Result<String, FunctionError>> + Send {
        self.as_ref().invoke(payload)
    }
}
