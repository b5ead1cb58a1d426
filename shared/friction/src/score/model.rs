//! Every constant of the models `fr-1` and `ef-1`. A model's constants never change: other constants are another model.

use contract::incident::{Confidence, Rule};

/// The frustration score's model.
pub const FRUSTRATION: &str = "fr-1";
/// The efficiency score's model.
pub const EFFICIENCY: &str = "ef-1";

/// Steepness of the frustration score's sigmoid.
pub const STEEPNESS: f64 = 1.0;
/// Where that sigmoid turns.
pub const MIDDLE: f64 = 2.5;
/// What an event with an error weighs, in tenths.
pub const ERROR_WEIGHT: u8 = 8;
/// What a friction event weighs per point of severity, in tenths.
pub const SEVERITY_WEIGHT: u8 = 4;
/// The most severe.
pub const SEVERITY_MAX: u8 = 5;
/// From this score on frustration is medium.
pub const MEDIUM_FROM: f64 = 0.20;
/// From this score on frustration is high.
pub const HIGH_FROM: f64 = 0.50;

/// What completion weighs: a session that completes everything gains it, one that completes nothing loses it.
pub const COMPLETION_WEIGHT: f64 = 2.0;
/// What doubling the usual time costs.
pub const TIME_WEIGHT: f64 = 0.8;
/// What doubling the usual clicks costs.
pub const CLICKS_WEIGHT: f64 = 0.6;
/// What a lostness of 1 costs.
pub const LOSTNESS_WEIGHT: f64 = 1.5;
/// The best that time and clicks count for, in doublings of the usual.
pub const DOUBLINGS_MIN: f64 = -2.0;
/// The worst that time and clicks count for, in doublings of the usual.
pub const DOUBLINGS_MAX: f64 = 3.0;
/// With fewer completed runs than this a task's baseline is assumed.
pub const BASELINE_COMPLETIONS_MIN: u64 = 50;
/// The assumed time of a task, s.
pub const ASSUMED_SECONDS: f64 = 60.0;
/// The assumed clicks of a task.
pub const ASSUMED_CLICKS: f64 = 8.0;
/// A usual time of nothing counts as this, s.
pub const SECONDS_MIN: f64 = 1.0;
/// A usual number of clicks of nothing counts as this.
pub const CLICKS_MIN: f64 = 1.0;

/// What an incident weighs, in tenths. Nothing for incidents that are made of friction events or of other incidents: those
/// are counted themselves, and nothing hurts twice.
#[must_use]
pub fn incident_weight(rule: Rule, confidence: Confidence) -> u8 {
    match (rule, confidence) {
        (Rule::AbandonedTask, _) => 14,
        (Rule::RageClick, Confidence::Low) => 6,
        (Rule::RageClick, Confidence::Medium | Confidence::High) | (Rule::ErrorClick, _) => 12,
        (Rule::FormAbandonment, _) => 10,
        (Rule::DeadClick | Rule::RetryStorm, _) => 6,
        (
            Rule::Backtrack
            | Rule::MouseThrash
            | Rule::ExcessiveScroll
            | Rule::ContextSwitch
            | Rule::Loop,
            _,
        ) => 4,
        (
            Rule::Reformulation
            | Rule::OverrideBurst
            | Rule::ChallengeBurst
            | Rule::LowConfidenceBurst
            | Rule::RageQuit,
            _,
        ) => 0,
    }
}
