//! The ten friction types. The arguments are the context that the type requires; the pillar is the type's usual one
//! until [`Draft::pillar`] names another.

use std::time::Duration;

use contract::{EventType, Pillar};

use crate::draft::{Draft, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Friction {}

/// What a rating says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rating {
    /// Severity 0.
    Positive,
    /// Severity 2.
    Negative,
}

/// How much an explanation may assume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplanationLevel {
    /// Nothing.
    Beginner,
    /// The basics.
    Intermediate,
    /// Everything.
    Expert,
}

/// A user replaced an AI result the AI was this sure of (0 to 1), by doing this.
pub fn user_override(ai_confidence: f64, user_action: &str) -> Draft<Friction> {
    draft(EventType::UserOverride, &["aiConfidence", "userAction"])
        .ai_confidence(ai_confidence)
        .user_action(user_action)
}

/// A task was left unfinished, this long into the session.
pub fn abandon(feature: &str, session_duration: Duration) -> Draft<Friction> {
    draft(EventType::Abandon, &["feature", "sessionDurationSeconds"])
        .feature(feature)
        .session_duration(session_duration)
}

/// A user disputes an answer.
pub fn challenge(feature: &str) -> Draft<Friction> {
    draft(EventType::Challenge, &["feature"]).feature(feature)
}

/// A rating was given.
pub fn feedback(rating: Rating) -> Draft<Friction> {
    let word = match rating {
        Rating::Positive => "positive",
        Rating::Negative => "negative",
    };
    draft(EventType::Feedback, &["userAction"]).user_action(word)
}

/// A rule stopped the action; [`Draft::compliance_flag`] adds further rules.
pub fn compliance_block(flag: &str) -> Draft<Friction> {
    draft(EventType::ComplianceBlock, &["complianceFlags"]).compliance_flag(flag)
}

/// From AI to a human, or back.
pub fn handoff(user_action: &str) -> Draft<Friction> {
    draft(EventType::Handoff, &["userAction"]).user_action(user_action)
}

/// "Why?" was asked.
pub fn explanation_request(level: ExplanationLevel) -> Draft<Friction> {
    draft(EventType::ExplanationRequest, &["explanationLevel"]).explanation_level(level)
}

/// The session ended right after a burst, this long after it began.
pub fn rage_quit(session_duration: Duration) -> Draft<Friction> {
    draft(EventType::RageQuit, &["sessionDurationSeconds"]).session_duration(session_duration)
}

/// The user left for another tool mid-task.
pub fn context_switch(feature: &str) -> Draft<Friction> {
    draft(EventType::ContextSwitch, &["feature"]).feature(feature)
}

/// The knowledge graph answered below its threshold, this sure (0 to 1).
pub fn kg_low_confidence(ai_confidence: f64) -> Draft<Friction> {
    draft(EventType::KgLowConfidence, &["aiConfidence"]).ai_confidence(ai_confidence)
}

impl Draft<Friction> {
    /// The pillar, when it is not the type's usual one.
    pub fn pillar(self, pillar: Pillar) -> Self {
        self.with("traceComponent", pillar.as_str())
    }

    /// How much an explanation may assume.
    pub fn explanation_level(self, level: ExplanationLevel) -> Self {
        let word = match level {
            ExplanationLevel::Beginner => "beginner",
            ExplanationLevel::Intermediate => "intermediate",
            ExplanationLevel::Expert => "expert",
        };
        self.context("explanationLevel", word)
    }

    /// One more rule that applies; at most 16.
    pub fn compliance_flag(self, flag: &str) -> Self {
        self.with_item("complianceFlags", flag)
    }
}

context_keys! { Friction {
    /// The rating, 0 to 10.
    rating(u8) = "rating";
    /// The model that answered.
    model(&str) = "modelId";
    /// The version of its prompt.
    prompt_version(&str) = "promptVersion";
} }

fn draft(event_type: EventType, required: &'static [&'static str]) -> Draft<Friction> {
    let draft = Draft::new(event_type).requiring(required);
    match event_type.usual_pillar() {
        Some(pillar) => draft.pillar(pillar),
        None => draft,
    }
}
