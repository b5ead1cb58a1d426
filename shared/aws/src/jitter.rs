//! How long to wait before trying again.

use std::time::Duration;

/// Any time up to `first` doubled with each attempt after the first, at most `longest`: whoever was refused together
/// does not come back together.
pub(crate) fn full(attempt: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let bound = first.saturating_mul(doubled).min(longest);
    bound.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_up_to_its_bound_and_never_beyond() {
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(1));
        for attempt in 1..40 {
            let bound = first.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(longest);
            let longest_seen =
                (0..200).map(|_| full(attempt, first, longest)).max().unwrap_or_default();
            assert!(longest_seen <= bound);
            assert!(longest_seen > bound / 2, "200 draws and none in the upper half");
        }
    }
}
