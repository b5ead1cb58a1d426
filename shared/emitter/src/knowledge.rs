//! Knowledge work. Every type is about an object: its type and its id, which must not name a person.

use contract::EventType;

use crate::draft::{Draft, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Knowledge {}

/// Who wrote a chat message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A person.
    User,
    /// The AI.
    Assistant,
    /// The program.
    System,
}

/// A user looked at an object.
pub fn user_viewed(object_type: &str, object_id: &str) -> Draft<Knowledge> {
    draft(EventType::UserViewed, object_type, object_id)
}

/// A user marked a passage.
pub fn user_highlighted(object_type: &str, object_id: &str) -> Draft<Knowledge> {
    draft(EventType::UserHighlighted, object_type, object_id)
}

/// A chat message was written; never its text.
pub fn chat_message_created(object_type: &str, object_id: &str, role: Role) -> Draft<Knowledge> {
    let word = match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    draft(EventType::ChatMessageCreated, object_type, object_id).context("role", word)
}

/// A source was captured.
pub fn source_captured(object_type: &str, object_id: &str) -> Draft<Knowledge> {
    draft(EventType::SourceCaptured, object_type, object_id)
}

/// A claim was added or changed.
pub fn claim_upserted(object_type: &str, object_id: &str) -> Draft<Knowledge> {
    draft(EventType::ClaimUpserted, object_type, object_id)
}

/// A recommendation was made.
pub fn recommendation_generated(object_type: &str, object_id: &str) -> Draft<Knowledge> {
    draft(EventType::RecommendationGenerated, object_type, object_id)
}

impl Draft<Knowledge> {
    /// One more concept it is about; at most 20.
    pub fn concept(self, name: &str) -> Self {
        self.with_item("concepts", name)
    }
}

context_keys! { Knowledge {
    /// The claim.
    claim(&str) = "claimId";
    /// What kind of source.
    source_kind(&str) = "sourceKind";
    /// How many characters a message has.
    message_length(u32) = "messageLength";
    /// The place in a list of recommendations.
    rank(u32) = "rank";
    /// How long it was looked at, ms.
    dwell_ms(u32) = "dwellMs";
} }

fn draft(event_type: EventType, object_type: &str, object_id: &str) -> Draft<Knowledge> {
    Draft::new(event_type)
        .with_member("object", "type", object_type)
        .with_member("object", "id", object_id)
}
