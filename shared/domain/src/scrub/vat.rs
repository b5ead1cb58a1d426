//! VAT numbers: a sole trader's is a person's.

use super::{
    EntityKind, Span,
    bytes::{at, cut, digit, separator},
    candidate::Candidate,
    checksum::{iso_7064, luhn, value, weighted},
    context::Topic,
    number::Run,
};

/// A VAT number with its country's letters, at a word. A wrong check digit needs a word that calls it one.
pub(super) fn find(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let head = cut(bytes, start, start + 2);
    if head.len() < 2 || !head.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let upper = head.iter().all(u8::is_ascii_uppercase);
    let country = [at(head, 0).to_ascii_uppercase(), at(head, 1).to_ascii_uppercase()];
    for (code, shape, valid) in SHAPES {
        if *code != country {
            continue;
        }
        let mut digits = [0; BODY_MAX];
        let Some(end) = read(candidate, shape, &mut digits) else { continue };
        let digits = digits.get(..shape.len()).unwrap_or_default();
        let Some(span) = candidate.span(end, EntityKind::VatId) else { continue };
        if (upper && valid(digits)) || candidate.near(Topic::Vat, 32) {
            return Some(span);
        }
    }
    None
}

/// The same without the letters: only where words call it one.
pub(super) fn bare(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let bytes = candidate.bytes;
    let layouts: [&[usize]; 9] = [
        &[10],
        &[11],
        &[9],
        &[8],
        &[3, 3, 2, 2],
        &[3, 2, 2, 3],
        &[4, 3, 3],
        &[3, 3, 3],
        &[3, 3, 3, 2],
    ];
    let layout = layouts.iter().find(|layout| run.begins(bytes, layout))?;
    let named = candidate.rather(Topic::Vat, Topic::Reference, 24);
    if named { candidate.span(run.end(layout.len()), EntityKind::VatId) } else { None }
}

/// Follows a shape (`9` a digit, `A` a letter or digit, `L` a letter, anything else itself) over single separators; the
/// place after it. Digits go to `digits`, letters as their place in the alphabet plus ten.
fn read(candidate: &Candidate<'_>, shape: &str, digits: &mut [u8; BODY_MAX]) -> Option<usize> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let mut place = start + 2;
    for (wanted, value) in shape.bytes().zip(digits.iter_mut()) {
        if let Some((width, _)) = separator(bytes, place) {
            place += width;
        }
        let byte = at(bytes, place).to_ascii_uppercase();
        let fits = match wanted {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_alphanumeric(),
            b'L' => byte.is_ascii_uppercase(),
            exact => byte == exact,
        };
        if !fits || place >= limit {
            return None;
        }
        *value = if byte.is_ascii_digit() { digit(byte) } else { byte - b'A' + 10 };
        place += 1;
    }
    Some(place)
}

type Shape = ([u8; 2], &'static str, fn(&[u8]) -> bool);

const BODY_MAX: usize = 12;
/// Shapes that are distinctive by themselves are valid as they are; `never` leaves it to the words before.
#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    (*b"DE", "999999999", iso_7064),
    (*b"FR", "AA999999999", french),
    (*b"IT", "99999999999", luhn),
    (*b"NL", "999999999B99", distinctive),
    (*b"PL", "9999999999", polish),
    (*b"BE", "9999999999", belgian),
    (*b"AT", "U99999999", distinctive),
    (*b"LU", "99999999", luxembourgish),
    (*b"PT", "999999999", portuguese),
    (*b"SE", "999999999999", swedish),
    (*b"ES", "A9999999A", spanish),
    (*b"DK", "99999999", danish),
    (*b"FI", "99999999", finnish),
    (*b"HR", "99999999999", iso_7064),
    (*b"EL", "999999999", greek),
    (*b"IE", "9999999L", never), (*b"IE", "9999999LL", never), (*b"IE", "9A99999L", never),
    (*b"GB", "999999999", british), (*b"GB", "999999999999", never),
    (*b"CZ", "99999999", never), (*b"CZ", "999999999", never), (*b"CZ", "9999999999", never),
    (*b"SK", "9999999999", slovak),
    (*b"HU", "99999999", never), (*b"SI", "99999999", never), (*b"MT", "99999999", never), (*b"CY", "99999999L", never),
    (*b"RO", "9999999999", never), (*b"RO", "99999999", never), (*b"RO", "9999999", never),
    (*b"BG", "999999999", never), (*b"BG", "9999999999", never),
    (*b"EE", "999999999", never), (*b"LV", "99999999999", never), (*b"LT", "999999999", never), (*b"LT", "999999999999", never),
    (*b"CH", "E999999999", distinctive),
];

fn distinctive(_: &[u8]) -> bool {
    true
}

fn never(_: &[u8]) -> bool {
    false
}

fn french(digits: &[u8]) -> bool {
    let (key, company) = digits.split_at(2.min(digits.len()));
    let lettered = key.iter().any(|value| *value > 9);
    let expected = (12 + 3 * (value(company) % 97)) % 97;
    if lettered { luhn(company) } else { value(key) == expected }
}

fn polish(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
    digits.last().is_some_and(|last| u32::from(*last) == sum)
}

fn belgian(digits: &[u8]) -> bool {
    let (body, check) = digits.split_at(8.min(digits.len()));
    matches!(digits.first(), Some(0 | 1)) && 97 - value(body) % 97 == value(check)
}

fn luxembourgish(digits: &[u8]) -> bool {
    let (body, check) = digits.split_at(6.min(digits.len()));
    value(body) % 89 == value(check)
}

fn portuguese(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digits.last().is_some_and(|last| u32::from(*last) == if sum < 2 { 0 } else { 11 - sum })
}

fn swedish(digits: &[u8]) -> bool {
    digits.ends_with(&[0, 1]) && luhn(digits.get(..10).unwrap_or_default())
}

/// One of the ends is a letter; with `ES` before, that is enough.
fn spanish(digits: &[u8]) -> bool {
    digits.first().is_some_and(|first| *first > 9) || digits.last().is_some_and(|last| *last > 9)
}

fn danish(digits: &[u8]) -> bool {
    weighted(digits, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

fn finnish(digits: &[u8]) -> bool {
    weighted(digits, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11)
}

fn greek(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10;
    digits.last().is_some_and(|last| u32::from(*last) == sum)
}

fn british(digits: &[u8]) -> bool {
    let sum = u64::from(weighted(digits, &[8, 7, 6, 5, 4, 3, 2]))
        + value(digits.get(7..).unwrap_or_default());
    sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97)
}

fn slovak(digits: &[u8]) -> bool {
    value(digits).is_multiple_of(11)
}
