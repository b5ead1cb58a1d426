//! The wait before a failed batch is answered.

use std::time::Duration;

/// How long a function waits before it answers that a batch failed: Lambda retries at once. Never into the time that the
/// answer needs, where `left_ms` says how much is left.
#[must_use]
pub fn pause(longest: Duration, left_ms: Option<i64>) -> Duration {
    let left = left_ms.map(|left| u64::try_from(left - ANSWER_MS).unwrap_or(0));
    left.map_or(longest, |left| longest.min(Duration::from_millis(left)))
}

const ANSWER_MS: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_leaves_time_to_answer() {
        let longest = Duration::from_secs(20);
        assert_eq!(pause(longest, None), longest);
        assert_eq!(pause(longest, Some(60_000)), longest);
        assert_eq!(pause(longest, Some(15_000)), Duration::from_secs(10));
        assert_eq!(pause(longest, Some(-1)), Duration::ZERO);
    }
}
