//! National numbers with letters in them.

use super::super::{
    EntityKind, Span,
    bytes::{at, cut, digit, end_of, is_word, separator},
    candidate::Candidate,
    checksum::{is_day_month, value},
    context::Topic,
    number::Run,
};

/// DNI: eight digits, in one or as `12.345.678`, and the letter of their remainder.
pub(super) fn spanish(candidate: &Candidate<'_>, run: &Run) -> Option<Span> {
    let bytes = candidate.bytes;
    let dotted = run.length(0) <= 2 && run.length(1) == 3 && run.length(2) == 3;
    let groups = if dotted { 3 } else { 1 };
    let digits = run.digits(groups);
    let letter = dash(bytes, run.end(groups));
    let plausible = if dotted { (7..=8).contains(&digits.len()) } else { digits.len() == 8 };
    let valid = plausible && is_spanish_letter(value(digits), at(bytes, letter));
    if valid { candidate.span(letter + 1, EntityKind::NationalId) } else { None }
}

/// NIE: X, Y or Z, seven digits, a letter.
pub(super) fn spanish_foreigner(candidate: &Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let first = match at(bytes, start).to_ascii_uppercase() {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return None,
    };
    let digits = dash(bytes, start + 1);
    let end = end_of(bytes, digits, limit.min(digits + 8), |byte| byte.is_ascii_digit());
    let letter = dash(bytes, end);
    let number = first * 10_000_000 + number(cut(bytes, digits, end));
    let valid = end - digits == 7 && is_spanish_letter(number, at(bytes, letter));
    if valid { candidate.span(letter + 1, EntityKind::NationalId) } else { None }
}

/// Hetu: a birthday, the sign of the century, three digits and a check character.
pub(super) fn finnish(candidate: &Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let &[ref birthday @ .., century, a, b, c, check] = cut(bytes, start, start + 11) else {
        return None;
    };
    let shaped = birthday.len() == 6
        && birthday.iter().chain(&[a, b, c]).all(u8::is_ascii_digit)
        && matches!(century, b'-' | b'+' | b'A'..=b'F' | b'U'..=b'Y');
    let birthday = number(birthday);
    let remainder = (birthday * 1000 + number(&[a, b, c])) % 31;
    let expected = usize::try_from(remainder).ok().and_then(|place| FINNISH.get(place));
    let valid = shaped
        && is_day_month(birthday / 10_000, birthday / 100 % 100)
        && expected == Some(&check.to_ascii_uppercase());
    if valid { candidate.span(start + 11, EntityKind::NationalId) } else { None }
}

/// NIR of somebody born in Corsica: 2A counts as 19 and 2B as 18; grouped or not.
pub(super) fn corsican(candidate: &Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    let mut digits = [0; 15];
    let mut place = start;
    for (count, value) in digits.iter_mut().enumerate() {
        if let Some((width, _)) = separator(bytes, place)
            && count > 0
        {
            place += width;
        }
        *value = match (count, at(bytes, place)) {
            (_, byte) if byte.is_ascii_digit() && place < limit => digit(byte),
            (6, b'A' | b'a') => 9,
            (6, b'B' | b'b') => 8,
            _ => return None,
        };
        if count == 5 && *value != 2 {
            return None;
        }
        place += 1;
    }
    if let Some(tens) = digits.get_mut(5) {
        *tens = 1;
    }
    let body = value(digits.get(..13)?);
    let valid = matches!(digits, [1 | 2, ..]) && 97 - body % 97 == value(digits.get(13..)?);
    if valid { candidate.span(place, EntityKind::NationalId) } else { None }
}

/// Codice fiscale: sixteen characters, in one or as 6, 5 and 5, some digits replaced by letters when people share one.
pub(super) fn italian(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let mut characters = [0; 16];
    let mut place = start;
    for (count, character) in characters.iter_mut().enumerate() {
        if matches!(count, 3 | 6 | 11 | 15)
            && let Some((width, _)) = separator(bytes, place)
        {
            place += width;
        }
        *character = at(bytes, place).to_ascii_uppercase();
        let letter = matches!(count, 0..=5 | 8 | 11 | 15);
        let fits = if letter {
            character.is_ascii_uppercase()
        } else {
            character.is_ascii_digit() || b"LMNPQRSTUV".contains(character)
        };
        if !fits {
            return None;
        }
        place += 1;
    }
    let valid = is_italian(&characters) || candidate.near(Topic::National, 20);
    if valid { candidate.span(place, EntityKind::NationalId) } else { None }
}

fn is_italian(characters: &[u8; 16]) -> bool {
    let Some((check, body)) = characters.split_last() else { return false };
    let rank = |byte: u8| {
        usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte.saturating_sub(b'A') })
    };
    let sum: usize = body
        .iter()
        .enumerate()
        .map(|(place, byte)| match place % 2 {
            0 => ITALIAN_ODD.get(rank(*byte)).copied().unwrap_or_default(),
            _ => rank(*byte),
        })
        .sum();
    sum % 26 == rank(*check)
}

/// National Insurance number: two letters, six digits in pairs, a letter.
pub(super) fn british(candidate: &Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let &[first, second] = cut(bytes, start, start + 2) else { return None };
    if !(first.is_ascii_uppercase() && second.is_ascii_uppercase())
        || b"DFIQUV".contains(&first)
        || b"DFIOQUV".contains(&second)
    {
        return None;
    }
    let mut place = start + 2;
    for count in 0..6 {
        if count % 2 == 0 && at(bytes, place) == b' ' {
            place += 1;
        }
        if !at(bytes, place).is_ascii_digit() {
            return None;
        }
        place += 1;
    }
    place += usize::from(at(bytes, place) == b' ');
    let valid = matches!(at(bytes, place), b'A'..=b'D') && !is_word(at(bytes, place + 1));
    if valid { candidate.span(place + 1, EntityKind::NationalId) } else { None }
}

fn is_spanish_letter(number: u64, letter: u8) -> bool {
    let expected = usize::try_from(number % 23).ok().and_then(|place| SPANISH.get(place));
    expected == Some(&letter.to_ascii_uppercase())
}

fn dash(bytes: &[u8], place: usize) -> usize {
    place + usize::from(matches!(at(bytes, place), b'-' | b' '))
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().take(18).fold(0, |number, byte| number * 10 + u64::from(digit(*byte)))
}

const SPANISH: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
const FINNISH: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
const ITALIAN_ODD: [usize; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
