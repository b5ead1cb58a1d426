//! How a consumer reads its stream: the settings of an event source mapping.

use contract::limits::{DAY_MS, PAYLOAD_BYTES_MAX, SECOND_MS};

/// The settings of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Names the consumer: its checkpoints and its given-up invocations.
    pub consumer: String,
    /// What the payload names as `eventSourceARN`.
    pub stream_arn: String,
    /// Most records of one invocation.
    pub batch_size: usize,
    /// Largest payload of one invocation, in bytes of JSON; a single larger record is sent alone.
    pub payload_bytes_max: usize,
    /// How long a batch that is not full waits for more records, counted from its oldest, ms.
    pub window_ms: i64,
    /// Split a batch in two when the function fails; splitting is not an attempt.
    pub bisect: bool,
    /// Attempts after the first one before a batch is given up; nothing means without end.
    pub max_retries: Option<u32>,
    /// Age beyond which a record is given up without being sent, ms; nothing means never.
    pub max_age_ms: Option<i64>,
    /// Pause after the first failure in a row, ms; it doubles from failure to failure.
    pub backoff_min_ms: i64,
    /// Longest pause after a failure, ms.
    pub backoff_max_ms: i64,
}

impl Settings {
    /// The recommended mapping for `consumer`: 500 records, a window of 2 s, split on error, 50 retries, 3 days.
    #[must_use]
    pub fn of(consumer: impl Into<String>) -> Self {
        Self {
            consumer: consumer.into(),
            stream_arn: STREAM_ARN.to_owned(),
            batch_size: 500,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            window_ms: 2 * SECOND_MS,
            bisect: true,
            max_retries: Some(50),
            max_age_ms: Some(3 * DAY_MS),
            backoff_min_ms: 200,
            backoff_max_ms: 60 * SECOND_MS,
        }
    }

    /// The pause after `failures` failures in a row, ms.
    #[must_use]
    pub fn backoff_ms(&self, failures: u32) -> i64 {
        let doubled =
            self.backoff_min_ms.saturating_mul(1_i64 << failures.saturating_sub(1).min(20));
        doubled.min(self.backoff_max_ms)
    }
}

/// The stream of a machine that has no account.
const STREAM_ARN: &str = "arn:aws:kinesis:eu-central-1:000000000000:stream/eu-friction-stream";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_longest() {
        let settings = Settings::of("processor");
        let pauses: Vec<_> = (1..=11).map(|failures| settings.backoff_ms(failures)).collect();
        assert_eq!(
            pauses,
            [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]
        );
        assert_eq!(settings.backoff_ms(u32::MAX), 60_000);
    }
}
