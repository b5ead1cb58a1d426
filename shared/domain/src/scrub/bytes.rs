//! Reading bytes of a text without ever reading past it.

/// The byte at a place; 0 outside the text, which no pattern accepts.
#[inline]
pub(super) fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or(0)
}

/// The byte before a place; 0 at the start of the text.
#[inline]
pub(super) fn before(bytes: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |place| at(bytes, place))
}

/// The bytes of a range; nothing where the range is not inside the text.
#[inline]
pub(super) fn cut(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or_default()
}

/// The end of the stretch from `start`, and before `limit`, on which the condition holds.
#[inline]
pub(super) fn end_of(
    bytes: &[u8],
    start: usize,
    limit: usize,
    holds: impl Fn(u8) -> bool,
) -> usize {
    let stretch = cut(bytes, start, limit.min(bytes.len()));
    start + stretch.iter().position(|byte| !holds(*byte)).unwrap_or(stretch.len())
}

/// What may not touch an entity on either side.
#[inline]
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether the bytes at a place are this word, in any capitalisation of its ASCII letters.
#[inline]
pub(super) fn reads(bytes: &[u8], place: usize, word: &str) -> bool {
    // Nearly all comparisons end at the second letter, without a call.
    let second = word.as_bytes().get(1).copied().unwrap_or_else(|| at(bytes, place + 1));
    if !second.eq_ignore_ascii_case(&at(bytes, place + 1)) {
        return false;
    }
    bytes
        .get(place..)
        .and_then(|rest| rest.get(..word.len()))
        .is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

/// The length of a separator inside a number (space, no-break spaces, `-`, `.`, `/`), and the byte that stands for it.
pub(super) fn separator(bytes: &[u8], place: usize) -> Option<(usize, u8)> {
    match at(bytes, place) {
        same @ (b' ' | b'-' | b'.' | b'/') => Some((1, same)),
        0xC2 if at(bytes, place + 1) == 0xA0 => Some((2, b' ')),
        // Narrow no-break space, thin and figure spaces, and the hyphens and dashes of typography.
        0xE2 if at(bytes, place + 1) == 0x80 => match at(bytes, place + 2) {
            0xAF | 0x87..=0x8A => Some((3, b' ')),
            0x90..=0x94 => Some((3, b'-')),
            _ => None,
        },
        _ => None,
    }
}

/// The value of a decimal digit; 0 for anything else.
#[inline]
pub(super) fn digit(byte: u8) -> u8 {
    if byte.is_ascii_digit() { byte - b'0' } else { 0 }
}
