//! What happens to texts on their way in: identifiers become tokens, the rest is scrubbed.

use contract::Code;
use contract::limits::{CORRELATION_BYTES_MAX, KEY_BYTES_MAX, RAW_ID_BYTES_MAX};

use crate::{
    admit::text::{has_control, is_name},
    pseudonym::{Kind, Pseudonymiser, Token},
    scrub::{EntityKind, is_identifier_like, scrub},
    url_template::route_template,
};

/// Cleans the texts of one event and counts what it replaced.
#[derive(Debug)]
pub(super) struct Cleaner<'d> {
    pub(super) pseudonymiser: &'d Pseudonymiser,
    /// Entities that became placeholders.
    pub(super) scrubbed: usize,
}

impl Cleaner<'_> {
    /// A raw identifier; blank is absent, so that the anonymous do not become one person.
    pub(super) fn identifier(&self, kind: Kind, raw: &str) -> Result<Option<Token>, Code> {
        let raw = raw.trim();
        if raw.len() > RAW_ID_BYTES_MAX {
            return Err(Code::TooLong);
        }
        if has_control(raw) {
            return Err(Code::ControlCharacter);
        }
        Ok((!raw.is_empty()).then(|| self.pseudonymiser.tokenise(kind, raw)))
    }

    /// A key that joins events: kept, unless it identifies somebody.
    pub(super) fn join_key(&self, raw: &str) -> Result<String, Code> {
        if raw.len() > CORRELATION_BYTES_MAX {
            return Err(Code::TooLong);
        }
        if is_trace(raw) || is_identifier_like(raw).is_none() {
            return Ok(raw.to_owned());
        }
        self.token(raw)
    }

    /// The id of an object: kept when it is a plain name that identifies nobody.
    pub(super) fn object_id(&self, raw: &str) -> Result<String, Code> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Err(Code::InvalidValue);
        }
        if raw.len() > KEY_BYTES_MAX {
            return Err(Code::TooLong);
        }
        if is_name(raw) && is_identifier_like(raw).is_none() {
            return Ok(raw.to_owned());
        }
        self.token(raw)
    }

    /// A short text: one placeholder in its place when it identifies somebody.
    pub(super) fn short(&mut self, text: &str) -> String {
        self.unless_identifying(text, is_identifier_like(text))
    }

    /// A version: four numbers with dots in it are no address.
    pub(super) fn version(&mut self, text: &str) -> String {
        let kind = is_identifier_like(text).filter(|kind| *kind != EntityKind::Ip);
        self.unless_identifying(text, kind)
    }

    /// Free text: placeholders in place of what identifies somebody, cut to `bytes_max` if they are longer.
    pub(super) fn free(&mut self, text: &str, bytes_max: usize) -> Result<String, Code> {
        if text.len() > bytes_max {
            return Err(Code::TooLong);
        }
        if has_control(text) {
            return Err(Code::ControlCharacter);
        }
        let clean = scrub(text);
        self.scrubbed += clean.spans.len();
        let mut clean = clean.text.into_owned();
        clean.truncate(clean.floor_char_boundary(bytes_max));
        Ok(clean)
    }

    /// A path, a URL or the name of a screen: its template. One without a place is absent.
    pub(super) fn place(&mut self, url: &str) -> Result<Option<String>, Code> {
        if has_control(url) {
            return Err(Code::ControlCharacter);
        }
        let mut template = route_template(url).into_owned();
        // What identifies somebody without looking like an id: an address written around its sign, a secret.
        if is_identifier_like(&template).is_some() {
            self.scrubbed += 1;
            let judged = |segment| if is_identifier_like(segment).is_some() { ID } else { segment };
            let judged = template.split('/').map(judged).collect::<Vec<_>>().join("/");
            template = if is_identifier_like(&judged).is_some() { ID.to_owned() } else { judged };
        }
        Ok((!template.is_empty()).then_some(template))
    }

    fn token(&self, raw: &str) -> Result<String, Code> {
        let token = self.identifier(Kind::Object, raw)?;
        token.map(Token::into_string).ok_or(Code::InvalidValue)
    }

    fn unless_identifying(&mut self, text: &str, kind: Option<EntityKind>) -> String {
        let Some(kind) = kind else { return text.to_owned() };
        self.scrubbed += 1;
        kind.placeholder().to_owned()
    }
}

/// A trace id, a `traceparent` or a UUID: its digits are chance.
fn is_trace(text: &str) -> bool {
    text.len() >= TRACE_BYTES_MIN && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Longer than any account number that is written with these characters.
const TRACE_BYTES_MIN: usize = 32;

/// What [`route_template`] writes for a segment that may name somebody.
const ID: &str = "{id}";
