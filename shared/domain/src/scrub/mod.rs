//! Finds what identifies somebody in free text and puts a placeholder in its place.
//!
//! One pass over the text, no backtracking: `email` looks for at-signs first, then the words and numbers between the
//! addresses are each offered to the finders of their shape. A finder looks at a bounded stretch and confirms what it
//! found, by a check digit, a parser, a known prefix, or the words before it (`context`). What was found is never given to
//! another finder, and words on its far side say nothing about what follows.
//!
//! What is written in look-alikes, encoded or broken up by what is not seen is read as it would be by a person or a browser
//! (`reading`), and both the text and its reading are searched.
//!
//! Names and postal addresses are not found: a text that may hold them stays personal data after scrubbing.

use std::{borrow::Cow, cmp::Reverse};

use self::{
    bytes::{at, before, end_of, is_word, reads},
    candidate::Candidate,
    network::Found,
    number::{Run, is_joined},
    reading::may_disguise,
};

pub(crate) use self::reading::Reading;

mod bytes;
mod candidate;
mod card;
mod checksum;
mod context;
mod crypto;
mod date;
mod email;
mod iban;
mod national;
mod network;
mod number;
mod passport;
mod phone;
mod place;
mod reading;
mod secret;
mod vat;

/// Replaces every entity by its placeholder. Does not allocate when there is none. Linear in the length of the text.
#[must_use]
pub fn scrub(text: &str) -> Scrubbed<'_> {
    let spans = find(text);
    if spans.is_empty() {
        return Scrubbed { text: Cow::Borrowed(text), spans };
    }
    let mut scrubbed = String::with_capacity(text.len());
    let mut kept = 0;
    for span in &spans {
        scrubbed.push_str(text.get(kept..span.start).unwrap_or_default());
        scrubbed.push_str(span.kind.placeholder());
        kept = span.end;
    }
    scrubbed.push_str(text.get(kept..).unwrap_or_default());
    Scrubbed { text: Cow::Owned(scrubbed), spans }
}

/// The kind of the first entity in a short text: a tripwire for values that should be codes, keys or tokens.
#[must_use]
pub fn is_identifier_like(text: &str) -> Option<EntityKind> {
    find(text).first().map(|span| span.kind)
}

/// A text without the entities that were found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed<'t> {
    /// The text with placeholders; the input itself when nothing was found.
    pub text: Cow<'t, str>,
    /// What was found, in order and without overlap, as byte ranges of the input.
    pub spans: Vec<Span>,
}

/// One entity: a byte range of the input, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// What it is.
    pub kind: EntityKind,
}

/// What identifies somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A bank account.
    Iban,
    /// A payment card.
    Card,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A hardware address.
    Mac,
    /// A number that a state gave to a person.
    NationalId,
    /// A VAT number.
    VatId,
    /// A passport or identity card.
    Passport,
    /// A date of birth.
    BirthDate,
    /// A credential.
    Secret,
    /// The user's name in a path.
    UserPath,
    /// A UUID that names a person.
    UserUuid,
    /// Coordinates.
    Geo,
    /// A wallet.
    Crypto,
}

impl EntityKind {
    /// Every kind, in the order of the variants.
    pub const ALL: [Self; 15] = [
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::Card,
        Self::Ip,
        Self::Mac,
        Self::NationalId,
        Self::VatId,
        Self::Passport,
        Self::BirthDate,
        Self::Secret,
        Self::UserPath,
        Self::UserUuid,
        Self::Geo,
        Self::Crypto,
    ];

    /// The name in counts and answers: `EMAIL`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.placeholder().trim_matches(['[', ']'])
    }

    /// What stands in the text instead: `[EMAIL]`. Never derived from what was there.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Email => "[EMAIL]",
            Self::Phone => "[PHONE]",
            Self::Iban => "[IBAN]",
            Self::Card => "[CARD]",
            Self::Ip => "[IP]",
            Self::Mac => "[MAC]",
            Self::NationalId => "[NATIONAL_ID]",
            Self::VatId => "[VAT_ID]",
            Self::Passport => "[PASSPORT]",
            Self::BirthDate => "[DOB]",
            Self::Secret => "[SECRET]",
            Self::UserPath => "[USERPATH]",
            Self::UserUuid => "[UUID_USER]",
            Self::Geo => "[GEO]",
            Self::Crypto => "[CRYPTO]",
        }
    }
}

fn find(text: &str) -> Vec<Span> {
    let marks = marks_of(text);
    let mut spans = find_as_written(text, marks);
    if marks & DISGUISES == 0 {
        return spans;
    }
    let mut reading = Reading::of(text);
    let as_written = spans.len();
    for _ in 0..READINGS_MAX {
        let Some(read) = reading else { break };
        let found = find_as_written(&read.text, marks_of(&read.text));
        spans.extend(found.into_iter().map(|span| read.in_text(span)));
        reading = read.again();
    }
    if spans.len() > as_written { united(spans) } else { spans }
}

/// In order and without overlap. The longest of those that overlap says what they are.
fn united(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    let mut united: Vec<Span> = Vec::with_capacity(spans.len());
    let mut longest = 0;
    for span in spans {
        let length = span.end - span.start;
        match united.last_mut().filter(|last| span.start < last.end) {
            Some(last) => {
                last.end = last.end.max(span.end);
                if length > longest {
                    (last.kind, longest) = (span.kind, length);
                }
            }
            None => {
                united.push(span);
                longest = length;
            }
        }
    }
    united
}

fn marks_of(text: &str) -> u8 {
    text.bytes().fold(0, |marks, byte| marks | mark_of(byte))
}

fn find_as_written(text: &str, marks: u8) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    if marks & (DIGITS | SIGNS | AT_SIGNS) == 0 {
        return spans;
    }
    let mut emails = Vec::new();
    if marks & AT_SIGNS != 0 {
        email::find(text, &mut emails);
    }
    let mut emails = emails.into_iter().peekable();
    let (mut place, mut floor) = (0, 0);
    while place < bytes.len() {
        while emails.next_if(|email| email.start < place).is_some() {}
        let limit = match emails.peek() {
            Some(email) if email.start == place => {
                (place, floor) = (email.end, email.end);
                spans.extend(emails.next());
                continue;
            }
            Some(email) => email.start,
            None => bytes.len(),
        };
        match step(bytes, floor, place, limit) {
            Found::Nothing => place += 1,
            Found::Skip(end) => place = end.max(place + 1),
            Found::Entity(span) => {
                // A finder looks at bytes, and a bounded look may end inside a character.
                let end = text.ceil_char_boundary(span.end);
                spans.push(Span { end, ..span });
                (place, floor) = (end, end);
            }
        }
    }
    spans
}

/// What begins at a place, or how far nothing does.
fn step(bytes: &[u8], floor: usize, place: usize, limit: usize) -> Found {
    let entity = |span: Option<Span>| span.map_or(Found::Nothing, Found::Entity);
    match at(bytes, place) {
        b'0'..=b'9' => number(&mut Candidate::new(bytes, floor, place, limit)),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => word(&mut Candidate::new(bytes, floor, place, limit)),
        b'+' | b'(' if matches!(at(bytes, place + 1), b'0'..=b'9' | b'+' | b'(' | b' ') => {
            entity(phone::find(&mut Candidate::new(bytes, floor, place, limit)))
        }
        b'%' => percent(&mut Candidate::new(bytes, floor, place, limit)),
        b'-' if !is_word(before(bytes, place)) || at(bytes, place + 1) == b'-' => {
            entity(secret::pem(bytes, place))
        }
        // A credential may hold what looks like an address, and then it is the credential that goes.
        b':' => {
            let end = bytes.len();
            let ipv6 = at(bytes, place + 1) == b':'
                && !is_word(before(bytes, place))
                && before(bytes, place) != b':';
            let found = secret::user_info(bytes, place, end)
                .or_else(|| secret::named(bytes, place, floor, end));
            match (found, ipv6) {
                (None, true) => {
                    network::hexadecimal(&mut Candidate::new(bytes, floor, place, limit))
                }
                (found, _) => entity(found),
            }
        }
        b'=' => entity(secret::named(bytes, place, floor, bytes.len())),
        b'/' | b'\\' if place::may_be_home(bytes, place) => {
            entity(place::home(bytes, place, limit))
        }
        _ => Found::Nothing,
    }
}

/// A word that begins with a letter.
fn word(candidate: &mut Candidate<'_>) -> Found {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let end = end_of(bytes, start, limit, is_word);
    if let Some(span) = secret::at_word(bytes, start, end, limit) {
        return Found::Entity(span);
    }
    let hexadecimal = network::hexadecimal(candidate);
    if !matches!(hexadecimal, Found::Nothing) {
        return hexadecimal;
    }
    let word = bytes::cut(bytes, start, end);
    let after = at(bytes, end);
    let digits = word.iter().any(u8::is_ascii_digit);
    let found = if digits {
        iban::find(candidate)
            .or_else(|| national::at_word(candidate))
            .or_else(|| vat::find(candidate))
            .or_else(|| crypto::find(candidate, end))
            .or_else(|| passport::find(candidate, end))
    } else {
        let grouped = word.len() <= 6 && (matches!(after, b' ' | b'-' | b'.') || after >= 0x80);
        let grouped = if grouped {
            vat::find(candidate).or_else(|| national::at_word(candidate))
        } else {
            None
        };
        grouped
            .or_else(|| date::birth_month_first(candidate))
            .or_else(|| passport::find(candidate, end))
    };
    found.map_or(Found::Skip(end), Found::Entity)
}

/// A word that begins with a digit.
fn number(candidate: &mut Candidate<'_>) -> Found {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let hexadecimal = network::hexadecimal(candidate);
    if !matches!(hexadecimal, Found::Nothing) {
        return hexadecimal;
    }
    if let Some(span) = place::coordinates(candidate) {
        return Found::Entity(span);
    }
    let run = Run::read(bytes, start, limit);
    let word_end = end_of(bytes, start, limit, is_word);
    if is_joined(bytes, start) {
        return Found::Skip(word_end);
    }
    let found = network::ipv4(candidate, &run)
        .or_else(|| date::birth(candidate, &run))
        .or_else(|| national::with_letters(candidate, &run))
        .or_else(|| card::find(candidate, &run))
        .or_else(|| national::find(candidate, &run));
    if let Some(span) = found {
        return Found::Entity(span);
    }
    if let Some(end) = date::end_of_numeric(bytes, &run) {
        return Found::Skip(end);
    }
    let found = vat::bare(candidate, &run)
        .or_else(|| national::by_name(candidate, &run))
        .or_else(|| passport::find(candidate, word_end))
        .or_else(|| crypto::find(candidate, word_end))
        .or_else(|| phone::find(candidate));
    found.map_or(Found::Skip(word_end), Found::Entity)
}

/// `%2B` is a plus sign; after any other encoded character a word may begin.
fn percent(candidate: &mut Candidate<'_>) -> Found {
    let Candidate { bytes, start, .. } = *candidate;
    if reads(bytes, start, "%2B")
        && let Some(span) = phone::find(candidate)
    {
        return Found::Entity(span);
    }
    let encoded =
        at(bytes, start + 1).is_ascii_hexdigit() && at(bytes, start + 2).is_ascii_hexdigit();
    if encoded { Found::Skip(start + 3) } else { Found::Nothing }
}

/// Which finders can have something to do.
#[inline]
const fn mark_of(byte: u8) -> u8 {
    let disguise = if may_disguise(byte) { DISGUISES } else { 0 };
    disguise
        | match byte {
            b'0'..=b'9' => DIGITS,
            b'@' | b'%' | b'&' | b'(' | b'[' | 0xEF => AT_SIGNS,
            b'\\' => AT_SIGNS | SIGNS,
            b':' | b'=' | b'/' | b'-' => SIGNS,
            _ => 0,
        }
}

const DIGITS: u8 = 1;
const AT_SIGNS: u8 = 2;
const SIGNS: u8 = 4;
const DISGUISES: u8 = 8;
/// Disguises over disguises that are undone.
const READINGS_MAX: usize = 4;
