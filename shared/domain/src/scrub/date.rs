//! Dates, which are nobody's until words make them a birthday.

use super::{
    EntityKind, Span,
    bytes::{at, before, cut, end_of, is_word, reads},
    candidate::Candidate,
    checksum::{is_day_month, value},
    context::Topic,
    number::Run,
};

/// A date of birth at the start of the run: a date that words announce as one.
pub(super) fn birth(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let end = end_of_numeric(candidate.bytes, run)
        .or_else(|| end_of_compact(candidate.bytes, run))
        .or_else(|| end_of_day_first(candidate.bytes, run))?;
    announced(candidate, end)
}

/// A date of birth that begins with the name of its month: `May 3, 1980`.
pub(super) fn birth_month_first(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, .. } = *candidate;
    let month = end_of(bytes, start, start + 14, |byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    let near = end_of(bytes, month, month + 3, |byte| matches!(byte, b'.' | b',' | b' ' | b'-'));
    if !at(bytes, near).is_ascii_digit() {
        return None;
    }
    let day = skip_between(bytes, month_end(bytes, start)?);
    let after_day = end_of(bytes, day, day + 2, |byte| byte.is_ascii_digit());
    if after_day == day {
        return None;
    }
    let end = year_end(bytes, skip_between(bytes, after_day))?;
    announced(candidate, end)
}

/// Where the numeric date ends that the run begins with: `1980-05-03`, `3.5.1980`, `03/05/80`.
pub(super) fn end_of_numeric(bytes: &[u8], run: &Run) -> Option<usize> {
    let even = run.separator(0) == run.separator(1) && run.separator(0) != 0;
    let end = run.end(3);
    let alone = run.count() == 3 || run.separator(2) != run.separator(1);
    // `T` of an ISO time may follow.
    let bounded = !is_word(at(bytes, end)) || at(bytes, end) == b'T';
    if run.count() < 3 || !even || !alone || !bounded {
        return None;
    }
    let part = |from: usize, to: usize| {
        value(run.digits(to).get(run.digits(from).len()..).unwrap_or_default())
    };
    let (one, two, three) = (part(0, 1), part(1, 2), part(2, 3));
    let dated = match (run.length(0), run.length(1), run.length(2)) {
        (4, 1..=2, 1..=2) => is_year(one) && is_day_month(three, two),
        (1..=2, 1..=2, 4) => is_year(three) && (is_day_month(one, two) || is_day_month(two, one)),
        (2, 2, 2) => is_day_month(one, two) || is_day_month(two, one) || is_day_month(three, two),
        _ => false,
    };
    dated.then_some(end)
}

fn end_of_compact(bytes: &[u8], run: &Run) -> Option<usize> {
    let digits = run.digits(1);
    let part = |from: usize, to: usize| value(digits.get(from..to).unwrap_or_default());
    let dated = run.begins(bytes, &[8])
        && (is_year(part(0, 4)) && is_day_month(part(6, 8), part(4, 6))
            || is_year(part(4, 8)) && is_day_month(part(0, 2), part(2, 4)));
    dated.then(|| run.end(1))
}

fn end_of_day_first(bytes: &[u8], run: &Run) -> Option<usize> {
    if run.length(0) > 2 {
        return None;
    }
    let month = skip_between(bytes, run.end(1));
    year_end(bytes, skip_between(bytes, month_end(bytes, month)?))
}

/// Skips what people write between the parts of a date: `.`, `,`, blanks, `-`, `st`, `de`, `of`, `er`.
fn skip_between(bytes: &[u8], place: usize) -> usize {
    let mut place = place;
    for _ in 0..3 {
        let word = ["st", "nd", "rd", "th", "er", "de ", "of ", "d'"]
            .into_iter()
            .find(|word| reads(bytes, place, word));
        // A suffix belongs to a digit; `de` and `of` stand alone.
        let suffix = word
            .filter(|word| word.ends_with([' ', '\'']) || before(bytes, place).is_ascii_digit());
        place += suffix.map_or(0, str::len);
        place = end_of(bytes, place, place + 3, |byte| {
            matches!(byte, b'.' | b',' | b' ' | b'-' | b'/')
        });
    }
    place
}

/// Where a month's name ends, in seven languages, shortened to three letters or more.
fn month_end(bytes: &[u8], start: usize) -> Option<usize> {
    let end = end_of(bytes, start, start + 14, |byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    let first = at(bytes, start).to_ascii_lowercase();
    let is_month =
        |month: &str| month.as_bytes().first() == Some(&first) && reads(bytes, start, month);
    (end - start >= 3 && MONTHS.iter().any(|month| is_month(month))).then_some(end)
}

fn year_end(bytes: &[u8], start: usize) -> Option<usize> {
    let end = end_of(bytes, start, start + 5, |byte| byte.is_ascii_digit());
    let year = cut(bytes, start, end);
    let plausible = year.len() == 4 && (year.starts_with(b"19") || year.starts_with(b"20"));
    (plausible && !is_word(at(bytes, end))).then_some(end)
}

fn announced(candidate: &mut Candidate<'_>, end: usize) -> Option<Span> {
    let span = Span { start: candidate.start, end, kind: EntityKind::BirthDate };
    candidate.near(Topic::Birth, 32).then_some(span)
}

fn is_year(year: u64) -> bool {
    (1880..=2100).contains(&year)
}

#[rustfmt::skip]
const MONTHS: [&str; 52] = [
    "jan", "gen", "ene", "sty", "feb", "fév", "fev", "fév", "lut", "mar", "mär", "mrt", "maa", "mrz", "apr", "avr", "abr", "kwi",
    "may", "mai", "mei", "mag", "maj", "mayo", "jun", "jui", "giu", "cze", "jul", "lug", "lip", "aug", "aoû", "aou", "ago", "sie",
    "sep", "set", "wrz", "oct", "okt", "ott", "paź", "paz", "nov", "lis", "dec", "dez", "déc", "dic", "gru", "juin",
];
