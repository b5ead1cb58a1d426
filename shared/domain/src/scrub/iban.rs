//! Bank accounts: the country's length and the remainder modulo 97.

use super::{
    EntityKind, Span,
    bytes::{at, cut, separator},
    candidate::Candidate,
    context::Topic,
};

/// An IBAN at a word that begins with two letters and two digits, in any case and with any single separators.
pub(super) fn find(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let [a, b, c, d] = *cut(bytes, start, start + 4).first_chunk()?;
    if !(a.is_ascii_alphabetic()
        && b.is_ascii_alphabetic()
        && c.is_ascii_digit()
        && d.is_ascii_digit())
    {
        return None;
    }
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let length = LENGTHS.iter().find(|(code, _)| **code == country).map(|(_, length)| *length)?;
    let mut characters = [0; LENGTH_MAX];
    let end = read(bytes, start, limit, characters.get_mut(..length)?)?;
    let span = candidate.span(end, EntityKind::Iban)?;
    // A mistyped account that somebody calls an IBAN is still most of an account.
    let valid = is_valid(characters.get(..length)?) || candidate.near(Topic::Iban, 24);
    valid.then_some(span)
}

/// Fills the characters, skipping single separators; the place after the last.
fn read(bytes: &[u8], start: usize, limit: usize, characters: &mut [u8]) -> Option<usize> {
    let mut place = start;
    for (count, character) in characters.iter_mut().enumerate() {
        if count > 0
            && let Some((width, _)) = separator(bytes, place)
        {
            place += width;
        }
        let byte = at(bytes, place);
        if place >= limit || !byte.is_ascii_alphanumeric() {
            return None;
        }
        *character = byte.to_ascii_uppercase();
        place += 1;
    }
    Some(place)
}

fn is_valid(characters: &[u8]) -> bool {
    let (head, body) = characters.split_at(4.min(characters.len()));
    let remainder = body.iter().chain(head).fold(0, |remainder: u32, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    });
    remainder == 1
}

const LENGTH_MAX: usize = 34;
#[rustfmt::skip]
const LENGTHS: [(&[u8; 2], usize); 82] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22),
    (b"BH", 22), (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22),
    (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FO", 18), (b"FR", 27),
    (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HR", 21), (b"HU", 28),
    (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26), (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20),
    (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27),
    (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NL", 18), (b"NO", 15),
    (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33),
    (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
    (b"BI", 27), (b"DJ", 27),
];
