//! What listening to a session's context is, on one machine and behind a gateway: what is asked, and what is news.
//!
//! What is told is always the whole context, so that the last message makes up for those before it. Whoever comes back with
//! the `lastSeq` it has seen, in the query or in a message `{"after": "<lastSeq>"}`, is told what is newer and nothing twice.

use contract::{EventId, OrgId, Timestamp, projection::SessionContext, session::SessionId};
use friction::{
    context::{revision, sequence},
    owner::Position,
};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    Refusal,
    parameters::{AFTER_SEQUENCE, ORG, SESSION},
};

/// What is asked of a gateway that routes by no path: `session`, `org` and `after` stand in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The session; nothing for what is no id, which is no session either.
    pub session: Option<SessionId>,
    /// The organisation, for a key that is bound to several.
    pub org: Option<OrgId>,
    /// The `lastSeq` that was seen already.
    pub after: Option<String>,
}

impl Asked {
    /// Reads a query as a gateway hands it on, names and values decoded.
    ///
    /// # Errors
    /// A parameter that is not known, stands twice, or is not what it should be.
    pub fn read<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        let (mut session, mut org, mut after) = (None, None, None);
        for (name, value) in query {
            let place = match name {
                "session" => &mut session,
                "org" => &mut org,
                "after" => &mut after,
                _ => return Err(Refusal::parameters("The parameters are session, org, after.")),
            };
            if place.replace(value).is_some() {
                return Err(Refusal::parameters(format!("{name} is given twice.")));
            }
        }
        let session = session.ok_or_else(|| Refusal::parameter(&SESSION))?;
        let org = org.map(|org| OrgId::parse(org).map_err(|_| Refusal::parameter(&ORG)));
        let seen = |after| seen(after).ok_or_else(|| Refusal::parameter(&AFTER_SEQUENCE));
        Ok(Self {
            session: SessionId::parse(session),
            org: org.transpose()?,
            after: after.map(seen).transpose()?,
        })
    }
}

/// What a listener says it has seen; `null` is nothing yet. Everything else that it may say tells no more than that somebody
/// is there.
///
/// # Errors
/// It says that it has seen what is no `lastSeq`, and would wait in vain for what it thinks it has asked for.
pub fn said(message: &str) -> Result<Option<String>, Refusal> {
    if message.len() > SAID_BYTES_MAX {
        return Err(Refusal::parameters(format!("A message has at most {SAID_BYTES_MAX} bytes.")));
    }
    let said: Value = serde_json::from_str(message).unwrap_or_default();
    match said.get(AFTER_SEQUENCE.name) {
        None | Some(Value::Null) => Ok(None),
        Some(after) => match after.as_str().and_then(seen) {
            Some(after) => Ok(Some(after)),
            None => Err(Refusal::parameter(&AFTER_SEQUENCE)),
        },
    }
}

/// Is `context` to be told? `is_changed` compares it with what was told before, where that is known; `seen` is what the
/// listener said it has seen, where it said something since.
#[must_use]
pub fn is_news(context: &SessionContext, is_changed: Option<bool>, seen: Option<&str>) -> bool {
    let is_unseen = match seen {
        Some(seen) => context.last_seq.as_deref() > Some(seen),
        None => is_changed.is_none(),
    };
    is_unseen || is_changed == Some(true)
}

/// A `lastSeq` in the one form in which two of them compare. A gateway may hand it on as it stood in the URL.
pub(crate) fn seen(text: &str) -> Option<String> {
    in_one_form(text).or_else(|| in_one_form(&decoded(text)))
}

/// `time#id#events`, or `time#id` for less than whatever was read until that event.
fn in_one_form(text: &str) -> Option<String> {
    let (at, rest) = text.split_once('#')?;
    let (id, events) = match rest.split_once('#') {
        Some((id, events)) => (id, Some(events)),
        None => (rest, None),
    };
    let place = Position { at: Timestamp::parse(at)?, id: EventId::parse(id).ok()? };
    let Some(events) = events else { return Some(sequence(&place)) };
    let is_count =
        (6..=9).contains(&events.len()) && events.bytes().all(|byte| byte.is_ascii_digit());
    Some(revision(&place, events.parse().ok().filter(|_| is_count)?))
}

fn decoded(text: &str) -> String {
    // A plus is one: no space stands in a `lastSeq`.
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).next().unwrap_or_default().into()
}

/// A longer message is none of ours.
const SAID_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use contract::Code;

    use super::*;

    const SEQUENCE: &str = "2025-10-09T08:53:20.000Z#e.1";

    #[test]
    fn a_query_names_a_session_and_each_parameter_once() {
        let session = format!("s_{}", "0a".repeat(16));
        let read = |query: &[(&str, &str)]| {
            Asked::read(query.iter().copied()).map_err(|r| r.problem().status)
        };
        let asked = read(&[("session", &session), ("org", "acme"), ("after", SEQUENCE)]).unwrap();
        assert_eq!(asked.session.as_ref().map(SessionId::as_str), Some(session.as_str()));
        assert_eq!(asked.org.as_ref().map(OrgId::as_str), Some("acme"));
        assert_eq!(asked.after.as_deref(), Some(SEQUENCE));
        // What is no id names no session, which is another refusal than a question that names none.
        assert_eq!(read(&[("session", "s_1")]).unwrap().session, None);
        for wrong in [
            &[][..],
            &[("org", "acme")],
            &[("session", &session), ("session", &session)],
            &[("session", &session), ("org", "a b")],
            &[("session", &session), ("after", "yesterday")],
            &[("session", &session), ("after_ts", "1")],
        ] {
            assert_eq!(read(wrong), Err(400), "{wrong:?}");
        }
    }

    #[test]
    fn a_sequence_is_read_decoded_or_not_and_in_any_offset() {
        for same in [
            SEQUENCE,
            "2025-10-09T08:53:20.000Z%23e.1",
            "2025-10-09T10:53:20+02:00#e.1",
            "2025-10-09T10%3A53%3A20%2B02%3A00%23e.1",
        ] {
            assert_eq!(seen(same).as_deref(), Some(SEQUENCE), "{same}");
        }
        let counted = format!("{SEQUENCE}#000012");
        for same in [&counted, &counted.replace('#', "%23")] {
            assert_eq!(seen(same).as_deref(), Some(counted.as_str()), "{same}");
        }
        let wrong = ["", "12", "+00012", "00001x", "000012#", "0000000012"];
        let wrong = wrong.map(|count| format!("{SEQUENCE}#{count}"));
        let none = ["", "#", "2025-10-09T08:53:20Z", "#e.1", "2025-10-09T08:53:20Z#", "%", "%23"];
        for other in none.into_iter().chain(wrong.iter().map(String::as_str)) {
            assert_eq!(seen(other), None, "{other}");
        }
    }

    #[test]
    fn a_message_says_what_was_seen_or_that_somebody_is_there() {
        let seen = said(&format!(r#"{{"after":"{SEQUENCE}"}}"#)).unwrap();
        assert_eq!(seen.as_deref(), Some(SEQUENCE));
        let deep = "[".repeat(4_000);
        for nothing in ["", "{}", "null", "{", "ping", r#"{"after":null}"#, r#"["after"]"#, &deep] {
            assert_eq!(said(nothing).unwrap(), None, "{nothing}");
        }
    }

    #[test]
    fn a_message_that_names_no_place_is_refused() {
        let long = format!(r#"{{"after":"{SEQUENCE}","more":"{}"}}"#, "x".repeat(SAID_BYTES_MAX));
        for wrong in [
            r#"{"after":7}"#,
            r#"{"after":"x"}"#,
            r#"{"after":""}"#,
            r#"{"after":{"after":"x"}}"#,
            r#"{"after":"2025-10-09T08:53:20Z"}"#,
            &long,
        ] {
            let refusal = said(wrong).unwrap_err();
            let problem = refusal.problem();
            assert_eq!((problem.status, problem.code), (400, Code::InvalidParameter), "{wrong}");
        }
    }
}
