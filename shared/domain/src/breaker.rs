//! A breaker per organisation: after failures in a row the connector is left alone for a while, then tried once.

use contract::{Timestamp, limits::MINUTE_MS};

/// The breaker's state; a value that travels with the organisation's head row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Failures since the last success.
    pub failures: u32,
    /// Nothing is sent before this instant; one batch is tried after it.
    pub open_until: Option<Timestamp>,
}

/// When and for how long a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures_to_open: u32,
    /// How long it stays open the first time, ms; doubles from time to time.
    pub open_min_ms: i64,
    /// Longest time it stays open, ms.
    pub open_max_ms: i64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures_to_open: 5, open_min_ms: MINUTE_MS, open_max_ms: 15 * MINUTE_MS }
    }
}

impl Breaker {
    /// True while nothing may be sent. Once the time is over exactly one batch is tried: a failure opens it again.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open_until.is_some_and(|until| now < until)
    }

    /// The connector answered: whatever was wrong is over.
    #[must_use]
    pub fn succeeded() -> Self {
        Self::default()
    }

    /// The connector failed once more.
    #[must_use]
    pub fn failed(&self, now: Timestamp, policy: &BreakerPolicy) -> Self {
        let failures = self.failures.saturating_add(1);
        let Some(over) = failures.checked_sub(policy.failures_to_open) else {
            return Self { failures, open_until: None };
        };
        let doubled = policy.open_min_ms.saturating_mul(1_i64 << over.min(20));
        Self { failures, open_until: Some(now.plus_ms(doubled.min(policy.open_max_ms))) }
    }

    /// The organisation's configuration is at fault (401, 403, 404, 410): the longest pause at once.
    #[must_use]
    pub fn refused(&self, now: Timestamp, policy: &BreakerPolicy) -> Self {
        let failures = self.failures.max(policy.failures_to_open);
        Self { failures, open_until: Some(now.plus_ms(policy.open_max_ms)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_at_the_fifth_failure_and_doubles_up_to_fifteen_minutes() {
        let policy = BreakerPolicy::default();
        let now = Timestamp::from_ms(0);
        let mut breaker = Breaker::default();
        let mut minutes = Vec::new();
        for _ in 0..10 {
            breaker = breaker.failed(now, &policy);
            minutes.push(breaker.open_until.map_or(0, |until| until.ms() / MINUTE_MS));
        }
        assert_eq!(minutes, [0, 0, 0, 0, 1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn after_its_time_one_batch_is_tried_and_a_success_closes_it() {
        let policy = BreakerPolicy::default();
        let breaker =
            Breaker { failures: 5, ..Breaker::default() }.failed(Timestamp::from_ms(0), &policy);
        let until = breaker.open_until.unwrap();
        assert!(breaker.is_open(until.plus_ms(-1)));
        assert!(!breaker.is_open(until));
        assert!(breaker.failed(until, &policy).is_open(until), "a failed probe opens it again");
        assert!(!Breaker::succeeded().is_open(Timestamp::from_ms(0)));
    }
}
