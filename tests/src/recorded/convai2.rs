//! Chats of people with bots, with thumbs on single messages and a rating at the end.

use std::path::Path;

use contract::{EventType, Timestamp};
use serde::Deserialize;
use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{
    ContextKey, Conversion, Dataset, EventLine, Origin, RecordedError, Span, Window, read_gz,
};

/// Every message as an event, every thumb and every rating as feedback.
pub fn convert(data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
    let bytes = read_gz(&data.join("convai2/dialogs_intermediate.jsonl.gz"))?;
    let mut chats = Vec::new();
    for (row, line) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        chats.push(Chat::parse(line).ok_or(RecordedError::Malformed { dataset: DATASET, row })?);
    }
    let spans: Vec<Span> = chats.iter().map(|chat| chat.span).collect();
    let mut conversion = Conversion::new(DATASET, chats.len());
    for (chat, offset) in chats.iter().zip(window.place(&spans)?) {
        chat.push_events(offset, &mut conversion);
    }
    Ok(conversion)
}

#[derive(Deserialize)]
struct Dialog {
    dialog: String,
    user: Vec<String>,
    bot: Vec<String>,
    start_time: String,
    end_time: String,
    eval_score: Option<u8>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    i: u32,
    from: Author,
    feedback: Option<u8>,
}

#[derive(Deserialize, Clone, Copy)]
enum Author {
    User,
    Bot,
}

struct Chat {
    person: String,
    agent: String,
    span: Span,
    dialog: Dialog,
}

impl Chat {
    fn parse(line: &str) -> Option<Self> {
        let dialog: Dialog = serde_json::from_str(line).ok()?;
        let [person] = dialog.user.as_slice() else { return None };
        let [agent] = dialog.bot.as_slice() else { return None };
        let first_ms = ms(&dialog.start_time)?;
        let span = Span { first_ms, last_ms: ms(&dialog.end_time)?.max(first_ms) };
        let agent = agent.replace(' ', "-");
        Some(Self { person: person.clone(), agent, span, dialog })
    }

    fn push_events(&self, offset: i64, conversion: &mut Conversion) {
        let start = self.span.first_ms + offset;
        let duration_ms = self.span.last_ms - self.span.first_ms;
        let messages = &self.dialog.messages;
        let gaps = i64::try_from(messages.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        for (at, message) in (0..).zip(messages) {
            let at_ms = start + duration_ms * at / gaps;
            conversion.push(self.message(message, at_ms));
            if let Some(thumb) = message.feedback {
                let event = self.event(EventType::Feedback, &format!("{}.thumb", message.i), at_ms);
                conversion.push(rated(
                    event,
                    "chat-thumb",
                    if thumb == 0 { "negative" } else { "positive" },
                ));
            }
        }
        if let Some(score) = self.dialog.eval_score {
            let event = self.event(EventType::Feedback, "rating", self.span.last_ms + offset);
            let action = if score < POSITIVE_SCORE_MIN { "negative" } else { "positive" };
            conversion.push(rated(event, "chat-rating", action));
        }
    }

    fn message(&self, message: &Message, at_ms: i64) -> EventLine {
        let id = format!("{}.{}", self.dialog.dialog, message.i);
        let event = self
            .event(EventType::ChatMessageCreated, &message.i.to_string(), at_ms)
            .object("chat_message", &id);
        match message.from {
            Author::User => event.context(ContextKey::UserAction, "asked"),
            Author::Bot => event
                .context(ContextKey::UserAction, "answered")
                .context(ContextKey::AgentId, self.agent.as_str()),
        }
    }

    fn event(&self, kind: EventType, part: &str, at_ms: i64) -> EventLine {
        let id = format!("con.{}.{part}", self.dialog.dialog);
        EventLine::new(ORIGIN, kind, &id, Timestamp::from_ms(at_ms))
            .actor(&self.person)
            .session(&self.dialog.dialog)
    }
}

fn rated(event: EventLine, feature: &str, action: &str) -> EventLine {
    event.context(ContextKey::Feature, feature).context(ContextKey::UserAction, action)
}

/// ms since the epoch; finer than a millisecond is cut off.
fn ms(text: &str) -> Option<i64> {
    let at = PrimitiveDateTime::parse(text, CLOCK).ok()?.assume_utc();
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// What the source does not say.
pub const INVENTIONS: &[&str] = &[
    "the time of each message: spread evenly from the chat's start to its end; thumbs come with their message, the rating at the end",
    "the time zone: UTC",
    "the sign of a rating: 1 and 2 are negative, 3 to 5 positive",
    "the actor of a bot's message: the person chatted with, so that the chat stays one session; the bot is the agent",
    "the pillar and the feature of a feedback",
    "the calendar: 111 days are squeezed into the window by moving whole chats",
];

pub(super) const ORIGIN: Origin = Origin { org: "convai2", product: "chat", service: "convai2" };
const DATASET: Dataset = Dataset::Convai2;
const POSITIVE_SCORE_MIN: u8 = 3;
const CLOCK: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[year]-[month]-[day] [hour]:[minute]:[second][optional [.[subsecond]]]"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_time_are_read() {
        assert_eq!(ms("2018-07-09 04:29:15"), Some(1_531_110_555_000));
        assert_eq!(ms("2018-07-09 04:29:15.322999"), Some(1_531_110_555_322));
        assert_eq!(ms("2018-07-09T04:29:15"), None);
    }

    #[test]
    fn a_clock_that_runs_backwards_is_a_chat_without_duration() {
        let line = r#"{"dialog":"d","user":["u"],"bot":["b"],"start_time":"2018-07-09 04:29:15",
            "end_time":"2018-07-09 04:29:14","eval_score":null,"messages":[]}"#;
        let span = Chat::parse(line).unwrap().span;
        assert_eq!(span.first_ms, span.last_ms);
    }
}
