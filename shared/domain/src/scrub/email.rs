//! E-mail addresses, also percent-encoded, escaped and lightly disguised ones.

use super::{
    EntityKind, Span,
    bytes::{at, cut, reads},
};

/// Appends every address of the text, in order.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut floor = 0;
    let mut place = 0;
    while place < bytes.len() {
        let Some(width) = at_sign(bytes, place) else {
            place += 1;
            continue;
        };
        let start = local_start(text, floor, place);
        let end = domain_end(text, place + width);
        let local = cut(bytes, start, place);
        if let Some(end) = end
            && !local.is_empty()
            && local != b"git"
        {
            spans.push(Span { start, end, kind: EntityKind::Email });
            floor = end;
            place = end;
        } else {
            place += width;
        }
    }
}

fn at_sign(bytes: &[u8], place: usize) -> Option<usize> {
    let signs: &[&str] = match at(bytes, place) {
        b'@' => return Some(1),
        b'%' => &["%40"],
        b'\\' => &["\\u0040", "\\x40"],
        b'&' => &["&#64;", "&#x40;", "&commat;"],
        b'(' => &["(at)"],
        b'[' => &["[at]"],
        b' ' => &[" (at) ", " [at] "],
        0xEF => &["\u{ff20}"],
        _ => return None,
    };
    signs.iter().find(|sign| reads(bytes, place, sign)).map(|sign| sign.len())
}

/// Where the local part begins that ends at `end`.
fn local_start(text: &str, floor: usize, end: usize) -> usize {
    let mut start = end;
    for (place, c) in text.get(floor..end).unwrap_or_default().char_indices().rev() {
        if !is_local(c) || end - (floor + place) > LOCAL_MAX {
            break;
        }
        start = floor + place;
    }
    let bytes = text.as_bytes();
    while start < end {
        match at(bytes, start) {
            b'.' | b'-' | b'\'' | b'+' => start += 1,
            // An encoded quotation mark or blank before the address, but not `%2B` and the like inside it.
            b'%' if at(bytes, start + 1) < b'8' && start + 3 <= end => start += 3,
            _ => break,
        }
    }
    start
}

/// Where the domain ends that begins at `start`: after the last label that can be a top-level domain.
fn domain_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut accepted = None;
    let mut label = start;
    for depth in 0..LABELS_MAX {
        let end = label_end(text, label);
        let length = end - label;
        if length == 0 || length > LABEL_MAX {
            break;
        }
        if depth > 0
            && let Some(top) = top_level(text, label, end)
        {
            accepted = Some(top);
        }
        label = match at(bytes, end) {
            b'.' => end + 1,
            b'%' if reads(bytes, end, "%2E") => end + 3,
            b'(' if reads(bytes, end, "(dot)") => end + 5,
            b'[' if reads(bytes, end, "[dot]") => end + 5,
            _ => break,
        };
    }
    accepted
}

fn label_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.char_indices().find(|(place, c)| !is_label(*c) || *place > LABEL_MAX);
    start + length.map_or(rest.len(), |(place, _)| place)
}

/// The end of a label that is a top-level domain, or begins with one and a dash.
fn top_level(text: &str, start: usize, end: usize) -> Option<usize> {
    let label = text.get(start..end)?;
    if label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--")) {
        return Some(end);
    }
    let letters = label.find(|c: char| !c.is_alphabetic()).unwrap_or(label.len());
    let whole = letters == label.len() || at(label.as_bytes(), letters) == b'-';
    (whole && label.chars().take_while(|c| c.is_alphabetic()).take(2).count() == 2)
        .then_some(start + letters)
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'') || is_near_latin(c)
}

fn is_label(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || is_near_latin(c)
}

/// Scripts that put blanks between words; others would give the whole sentence to the address.
fn is_near_latin(c: char) -> bool {
    !c.is_ascii() && c < '\u{530}' && c.is_alphanumeric()
}

const LOCAL_MAX: usize = 96;
const LABEL_MAX: usize = 63;
const LABELS_MAX: usize = 8;
