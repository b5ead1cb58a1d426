//! Addresses of machines, and the UUIDs of people.

use std::net::Ipv6Addr;

use super::{
    EntityKind, Span,
    bytes::{at, before, cut, end_of, is_word},
    candidate::Candidate,
    context::Topic,
    number::Run,
};

/// An IPv4 address at the start of the run.
pub(super) fn ipv4(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let dotted = run.count() >= 4 && (0..3).all(|group| run.separator(group) == b'.');
    if !dotted || run.separator(3) == b'.' || run.digits(4).len() > 12 {
        return None;
    }
    let mut digits = run.digits(4).iter();
    let mut parts = [0_u32; 4];
    for (group, part) in parts.iter_mut().enumerate() {
        let length = run.length(group);
        let leading = digits.as_slice().first();
        if length > 3 || (length > 1 && leading == Some(&0)) {
            return None;
        }
        *part = digits.by_ref().take(length).fold(0, |value, digit| value * 10 + u32::from(*digit));
    }
    if is_version(candidate.bytes, candidate.start) {
        return None;
    }
    let nobody = matches!(parts, [127, ..] | [0, 0, 0, 0] | [255, 255, 255, 255]);
    if nobody || parts.iter().any(|part| *part > 255) || candidate.near(Topic::Reference, 3) {
        return None;
    }
    candidate.span(run.end(4), EntityKind::Ip)
}

/// Whether a number stands where a browser names its versions: `Chrome/32.0.1700.107`, `rv:1.9.1.2`.
pub(super) fn is_version(bytes: &[u8], start: usize) -> bool {
    if before(bytes, start) != b'/' {
        return cut(bytes, start.saturating_sub(3), start) == b"rv:";
    }
    let name = (start.saturating_sub(PRODUCT_MAX)..start - 1).rev();
    let name = name.take_while(|place| is_word(at(bytes, *place)) || at(bytes, *place) == b'-');
    name.last().is_some_and(|first| {
        at(bytes, first).is_ascii_alphabetic()
            && matches!(before(bytes, first), 0 | b' ' | b'"' | b'(' | b';')
    })
}

/// A UUID, MAC or IPv6 address at a word of hexadecimal digits, or at a colon. A UUID that names no person is skipped as
/// a whole, so that nothing inside it is taken for something else.
pub(super) fn hexadecimal(candidate: &mut Candidate<'_>) -> Found {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let word = end_of(bytes, start, limit.min(start + 9), |byte| byte.is_ascii_hexdigit()) - start;
    match (word, at(bytes, start + word)) {
        (8, b'-') if is_uuid(bytes, start) => {
            let end = start + UUID_LENGTH;
            match candidate.near(Topic::Person, 24) {
                true => candidate
                    .span(end, EntityKind::UserUuid)
                    .map_or(Found::Skip(end), Found::Entity),
                false => Found::Skip(end),
            }
        }
        (2, b':' | b'-') | (4, b'.') => {
            mac(candidate).or_else(|| ipv6(candidate)).map_or(Found::Nothing, Found::Entity)
        }
        (0..=4, b':') => ipv6(candidate).map_or(Found::Nothing, Found::Entity),
        _ => Found::Nothing,
    }
}

/// What stands at a place.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// Something that is nobody's, up to this place.
    Skip(usize),
    Entity(Span),
}

fn is_uuid(bytes: &[u8], start: usize) -> bool {
    let shape = cut(bytes, start, start + UUID_LENGTH);
    shape.len() == UUID_LENGTH
        && shape.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && !is_word(at(bytes, start + UUID_LENGTH))
}

fn mac(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let (pair, pairs) = if at(bytes, start + 2).is_ascii_hexdigit() { (4, 3) } else { (2, 6) };
    let length = (pair + 1) * pairs - 1;
    let between = at(bytes, start + pair);
    let text = cut(bytes, start, start + length);
    let shaped = text.len() == length
        && text.iter().enumerate().all(|(place, byte)| match (place + 1) % (pair + 1) {
            0 => *byte == between,
            _ => byte.is_ascii_hexdigit(),
        });
    let lone = at(bytes, start + length) != between && before(bytes, start) != between;
    // `1234.5678.9012` is an amount before it is a machine.
    let certain = pair == 2 || text.iter().any(u8::is_ascii_alphabetic);
    if shaped && lone && certain { candidate.span(start + length, EntityKind::Mac) } else { None }
}

fn ipv6(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let inside = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let mut end = end_of(bytes, start, limit.min(start + 46), inside);
    while end > start
        && matches!(before(bytes, end), b':' | b'.')
        && !cut(bytes, start, end).ends_with(b"::")
    {
        end -= 1;
    }
    let text = std::str::from_utf8(cut(bytes, start, end)).ok()?;
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    let first = text.find(':').unwrap_or_default();
    if colons < 2 || (colons == 2 && first < 3) || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let address: Ipv6Addr = text.parse().ok()?;
    let nobody = address.is_loopback() || address.is_unspecified();
    if nobody { None } else { candidate.span(end, EntityKind::Ip) }
}

const UUID_LENGTH: usize = 36;
const PRODUCT_MAX: usize = 24;
