//! The processor behind the pump, as Lambda would run it.

use std::sync::Arc;

use embedded::Store;
use ports::clock::{Clock as _, SystemClock};
use processor::{Invocation, Processor};
use pump::{FunctionError, StreamFunction};

/// One invocation per batch, with Lambda's timeout.
#[derive(Debug)]
pub(super) struct ProcessorFunction(pub(super) Arc<Processor<Store, SystemClock>>);

impl StreamFunction for ProcessorFunction {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let deadline = Some(SystemClock.now().plus_ms(TIMEOUT_MS));
        let invocation = Invocation { deadline, force_quarantine: false };
        self.0.handle_payload(payload, &invocation).await.map_err(FunctionError::failed)
    }
}

/// The same for batches that were given up: poison is quarantined whatever its share.
#[derive(Debug)]
pub(super) struct ForcedProcessor(pub(super) Arc<Processor<Store, SystemClock>>);

impl StreamFunction for ForcedProcessor {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let invocation = Invocation { deadline: None, force_quarantine: true };
        self.0.handle_payload(payload, &invocation).await.map_err(FunctionError::failed)
    }
}

const TIMEOUT_MS: i64 = 120_000;
