//! Every duration of the way to the connector, as one value: a demonstration shortens it and says so.

use contract::{
    Timestamp,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, URGENT_INTERVAL_MS},
};

use crate::breaker::BreakerPolicy;

/// How long things wait, and how often they are tried. All durations in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// A staged row is left alone for so long after the door took it, so that rows become visible in order.
    pub settle_ms: i64,
    /// Longest time to connect.
    pub connect_timeout_ms: i64,
    /// Longest time for the whole request.
    pub request_timeout_ms: i64,
    /// The first pause after a failure, at most; doubles from failure to failure.
    pub backoff_min_ms: i64,
    /// The longest pause.
    pub backoff_max_ms: i64,
    /// The shortest pause a `Retry-After` may ask for.
    pub retry_after_min_ms: i64,
    /// The longest pause a `Retry-After` may ask for.
    pub retry_after_max_ms: i64,
    /// When the organisation's connector is left alone.
    pub breaker: BreakerPolicy,
    /// Failed attempts after which the batch itself is suspected …
    pub suspect_attempts: u32,
    /// … provided it has been failing for so long …
    pub suspect_after_ms: i64,
    /// … and the connector shows a sign of life to the same organisation. One that never does is believed to live when
    /// it took something of another organisation within so long …
    pub witness_ms: i64,
    /// … and the batch has been failing for so long: till then the organisation as a whole may be what it fails on.
    pub suspect_without_sign_ms: i64,
    /// After so many single events refused in a row, while the connector takes nothing of anybody, its or our
    /// configuration is suspected instead of the events: the breaker opens after each one, so that few park in vain.
    pub refusals_in_a_row_max: u32,
    /// How long the organisation's lease holds.
    pub lease_ms: i64,
    /// With less than this left, the lease is renewed before a request.
    pub lease_renew_below_ms: i64,
    /// How long one organisation may take within a tick before the next request is left to the next tick.
    pub org_budget_ms: i64,
    /// How long a tick may take.
    pub tick_budget_ms: i64,
    /// No request starts when less than this is left until the deadline: a request and its settlement fit into it.
    pub deadline_reserve_ms: i64,
    /// Organisations worked on at the same time.
    pub orgs_at_once: usize,
    /// Least time between two urgent deliveries of one organisation.
    pub urgent_interval_ms: i64,
    /// As `settle_ms`, for an urgent delivery: it takes what is visible.
    pub urgent_settle_ms: i64,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            settle_ms: 10 * SECOND_MS,
            connect_timeout_ms: 3 * SECOND_MS,
            request_timeout_ms: 15 * SECOND_MS,
            backoff_min_ms: 30 * SECOND_MS,
            backoff_max_ms: HOUR_MS,
            retry_after_min_ms: SECOND_MS,
            retry_after_max_ms: HOUR_MS,
            breaker: BreakerPolicy::default(),
            suspect_attempts: 12,
            suspect_after_ms: 2 * HOUR_MS,
            witness_ms: 10 * MINUTE_MS,
            suspect_without_sign_ms: 7 * DAY_MS,
            refusals_in_a_row_max: 20,
            lease_ms: 90 * SECOND_MS,
            lease_renew_below_ms: 30 * SECOND_MS,
            org_budget_ms: 20 * SECOND_MS,
            tick_budget_ms: 4 * MINUTE_MS,
            deadline_reserve_ms: 18 * SECOND_MS,
            orgs_at_once: 16,
            urgent_interval_ms: URGENT_INTERVAL_MS,
            urgent_settle_ms: 0,
        }
    }
}

impl DeliveryPolicy {
    /// Whether a batch that failed so often and for so long is suspected itself, should the connector be alive.
    #[must_use]
    pub fn suspects(
        &self,
        attempts: u32,
        failing_since: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let failing_ms = failing_since.map_or(0, |since| now.since_ms(since));
        attempts.saturating_add(1) >= self.suspect_attempts && failing_ms >= self.suspect_after_ms
    }

    /// The same for a batch that the connector answered so often without taking anything of it: a round weighs half an
    /// attempt, since the breaker's pauses spread them over hours.
    #[must_use]
    pub fn suspects_unmoved(&self, rounds: u32) -> bool {
        rounds >= self.suspect_attempts.saturating_mul(2)
    }

    /// The pause after the failure that follows `attempts` earlier ones: full jitter, drawn by `jitter`, between the
    /// shortest pause and `backoff_min · 2^attempts`, at most `backoff_max`.
    #[must_use]
    pub fn backoff_ms(&self, attempts: u32, jitter: u64) -> i64 {
        let doubled = self.backoff_min_ms.saturating_mul(1_i64 << attempts.min(30));
        let span = u64::try_from(doubled.min(self.backoff_max_ms)).unwrap_or(0);
        let drawn = i64::try_from(jitter % span.saturating_add(1)).unwrap_or(0);
        drawn.max(self.retry_after_min_ms.min(self.backoff_max_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_drawn_from_a_doubling_span_of_at_most_an_hour() {
        let policy = DeliveryPolicy::default();
        let longest = |attempts: u32| {
            let span = u64::try_from((30_000_i64 << attempts).min(HOUR_MS)).unwrap();
            policy.backoff_ms(attempts, span)
        };
        assert_eq!([0, 1, 2, 6, 7].map(longest), [30_000, 60_000, 120_000, 1_920_000, HOUR_MS]);
        assert_eq!(policy.backoff_ms(3, 0), SECOND_MS, "never at once");
        for jitter in [1, 17, u64::MAX] {
            assert!((SECOND_MS..=HOUR_MS).contains(&policy.backoff_ms(u32::MAX, jitter)));
        }
    }
}
