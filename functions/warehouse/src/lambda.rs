//! Serving Lambda: batches of the stream, and announcements that a queue hands over.

use std::{sync::Arc, time::Duration};

use aws::{Cloud, secrets::Reference};
use connector::warehouse::Password;
use contract::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use ports::{
    PortResult,
    archive::Archive,
    clock::{Clock, SystemClock},
    warehouse::Warehouse,
};
use serde_json::value::RawValue;

use crate::{Answered, Outcome, Sink};

/// Serves invocations until the environment ends. After a failure it waits before it answers: Lambda retries at once.
///
/// # Errors
/// The Runtime API is out of reach.
pub async fn serve<W: Warehouse, A: Archive, C: Clock>(
    sink: &Sink<W, A, C>,
    backoff: Duration,
) -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let Answered { answer, outcome } = sink.handle(event.payload.get()).await?;
        if outcome == Outcome::Postponed {
            let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
            let left = Timestamp::from_ms(deadline).since_ms(SystemClock.now()) - ANSWER_MS;
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            tokio::time::sleep(backoff.min(left)).await;
        }
        Ok::<_, Error>(RawValue::from_string(answer)?)
    }))
    .await
}

/// The password in a setting, or in the secret that it names; read anew every few minutes.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    cloud: Cloud,
    reference: Arc<Reference>,
}

impl StoredPassword {
    /// The password that this setting names.
    #[must_use]
    pub fn new(cloud: Cloud, setting: &str) -> Self {
        Self { cloud, reference: Arc::new(Reference::parse(setting)) }
    }
}

impl Password for StoredPassword {
    async fn password(&self) -> PortResult<String> {
        Ok(self.cloud.secret_text(&self.reference).await?.to_string())
    }
}

/// The time that an answer needs.
const ANSWER_MS: i64 = 5_000;
