//! Numbers that a state gave to a person, by their check digits and dates.

use super::{
    EntityKind, Span,
    bytes::at,
    candidate::Candidate,
    checksum::{is_day_month, iso_7064, luhn, value, weighted},
    context::Topic,
    number::Run,
};

/// A national number of digits only, at the start of the run.
pub(super) fn find(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let bytes = candidate.bytes;
    if run.total() < SHORTEST {
        return None;
    }
    for scheme in &SCHEMES {
        let Some(layout) = scheme.layouts.iter().find(|layout| run.begins(bytes, layout)) else {
            continue;
        };
        let grouped = layout.len() > 1;
        let separated = scheme.separator == 0 || run.separator(0) == scheme.separator || !grouped;
        if separated && (scheme.valid)(run.digits(layout.len())) {
            let certain = match scheme.proof {
                Proof::Check => true,
                Proof::Grouping => grouped || is_announced(candidate),
                Proof::Words => is_announced(candidate),
            };
            if certain {
                return candidate.span(run.end(layout.len()), EntityKind::NationalId);
            }
        }
    }
    None
}

/// A mistyped number that is called by its own name is still most of a number.
pub(super) fn by_name(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let whole = if run.length(0) >= 6 { 1 } else { run.count() };
    let even = (1..whole.saturating_sub(1)).all(|group| run.separator(group) == run.separator(0));
    let plausible = even && (6..=15).contains(&run.digits(whole).len());
    let named = plausible && candidate.rather(Topic::National, Topic::Reference, 20);
    let other = named && (candidate.near(Topic::Birth, 20) || candidate.near(Topic::Phone, 20));
    if named && !other { candidate.span(run.end(whole), EntityKind::NationalId) } else { None }
}

fn is_announced(candidate: &mut Candidate<'_>) -> bool {
    candidate.rather(Topic::National, Topic::Reference, 40)
        || candidate.rather(Topic::Identity, Topic::Reference, 40)
}

/// One country's number.
struct Scheme {
    layouts: &'static [&'static [usize]],
    /// The separator it must have when grouped; 0 for any.
    separator: u8,
    valid: fn(&[u8]) -> bool,
    proof: Proof,
}

/// What it takes to believe in a number besides its check digits.
#[derive(Debug, Clone, Copy)]
enum Proof {
    Check,
    /// Words, unless it is grouped as it is printed.
    Grouping,
    Words,
}

const SHORTEST: usize = 9;
#[rustfmt::skip]
const SCHEMES: [Scheme; 18] = [
    Scheme { layouts: &[&[11], &[2, 3, 3, 3]], separator: 0, valid: german_tax, proof: Proof::Check },
    Scheme { layouts: &[&[11]], separator: 0, valid: polish, proof: Proof::Check },
    Scheme { layouts: &[&[11], &[2, 2, 2, 3, 2], &[6, 3, 2], &[6, 5]], separator: 0, valid: belgian, proof: Proof::Check },
    Scheme { layouts: &[&[15], &[13, 2], &[1, 2, 2, 2, 3, 3, 2]], separator: 0, valid: french, proof: Proof::Check },
    Scheme { layouts: &[&[4, 2, 3]], separator: 0, valid: dutch, proof: Proof::Check },
    Scheme { layouts: &[&[9], &[3, 3, 3], &[2, 3, 3, 1], &[3, 2, 4]], separator: 0, valid: dutch, proof: Proof::Words },
    Scheme { layouts: &[&[10], &[4, 6]], separator: 0, valid: austrian, proof: Proof::Grouping },
    Scheme { layouts: &[&[6, 4], &[10], &[8, 4], &[12]], separator: b'-', valid: swedish, proof: Proof::Grouping },
    Scheme { layouts: &[&[6, 4], &[10]], separator: b'-', valid: danish, proof: Proof::Grouping },
    Scheme { layouts: &[&[6, 4], &[6, 3]], separator: b'/', valid: czech, proof: Proof::Check },
    Scheme { layouts: &[&[3, 4, 4, 2], &[13]], separator: 0, valid: swiss, proof: Proof::Check },
    Scheme { layouts: &[&[13]], separator: 0, valid: romanian, proof: Proof::Words },
    Scheme { layouts: &[&[3, 2, 4]], separator: b'-', valid: american, proof: Proof::Check },
    Scheme { layouts: &[&[11]], separator: 0, valid: iso_7064, proof: Proof::Words },
    Scheme { layouts: &[&[9], &[3, 3, 3]], separator: 0, valid: portuguese, proof: Proof::Words },
    Scheme { layouts: &[&[11]], separator: 0, valid: greek, proof: Proof::Words },
    Scheme { layouts: &[&[11]], separator: 0, valid: baltic, proof: Proof::Words },
    Scheme { layouts: &[&[10], &[3, 3, 4]], separator: 0, valid: british_health, proof: Proof::Words },
];

/// Steuer-ID: exactly one of the first ten digits occurs twice or thrice.
fn german_tax(digits: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for digit in digits.iter().take(10) {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    digits.first() != Some(&0)
        && repeated == 1
        && counts.iter().all(|count| *count <= 3)
        && iso_7064(digits)
}

/// PESEL: the month carries the century in steps of 20.
fn polish(digits: &[u8]) -> bool {
    let month = part(digits, 2, 4) % 20;
    let sum = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    is_day_month(part(digits, 4, 6), month) && sum.is_multiple_of(10)
}

/// Rijksregisternummer: 97 less the remainder, born in either century.
fn belgian(digits: &[u8]) -> bool {
    let (body, check) = (part(digits, 0, 9), part(digits, 9, 11));
    let month = part(digits, 2, 4) % 20;
    let checks = [body, body + 2_000_000_000].map(|body| 97 - body % 97);
    month <= 12 && part(digits, 4, 6) <= 31 && body > 0 && checks.contains(&check)
}

/// NIR with its key; Corsica's letters are handled where letters are.
fn french(digits: &[u8]) -> bool {
    french_key(digits, part(digits, 0, 13))
}

fn french_key(digits: &[u8], body: u64) -> bool {
    let month = part(digits, 3, 5);
    let plausible = matches!(digits.first(), Some(1..=4 | 7 | 8))
        && matches!(month, 1..=12 | 20..=42 | 50..=99);
    plausible && 97 - body % 97 == part(digits, 13, 15)
}

/// BSN: the eleven test, with the last digit taken away.
fn dutch(digits: &[u8]) -> bool {
    let Some((last, body)) = digits.split_last() else { return false };
    let sum = weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum > 0 && sum % 11 == u32::from(*last) % 11 && sum % 11 < 10
}

/// Sozialversicherungsnummer: the check digit stands fourth, the birthday last.
fn austrian(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let month = part(digits, 6, 8);
    digits.first() != Some(&0)
        && (1..=15).contains(&month)
        && (1..=31).contains(&part(digits, 4, 6))
        && digits.get(3).is_some_and(|check| sum % 11 == u32::from(*check))
}

/// Personnummer, with or without its century; coordination numbers add 60 to the day.
fn swedish(digits: &[u8]) -> bool {
    let short = digits.get(digits.len().saturating_sub(10)..).unwrap_or_default();
    is_day_month(part(short, 4, 6) % 60, part(short, 2, 4)) && luhn(short)
}

/// CPR has no check digit any more, only a date.
fn danish(digits: &[u8]) -> bool {
    is_day_month(part(digits, 0, 2), part(digits, 2, 4))
}

/// Rodné číslo, also Slovak: women's months carry 50.
fn czech(digits: &[u8]) -> bool {
    let month = part(digits, 2, 4) % 50 % 20;
    is_day_month(part(digits, 4, 6), month)
        && (digits.len() == 9 || value(digits).is_multiple_of(11))
}

/// AHV number: an article number of the country 756.
fn swiss(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    digits.starts_with(&[7, 5, 6]) && sum.is_multiple_of(10)
}

/// CNP: sex and century, a date, a county, a check digit.
fn romanian(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let county = part(digits, 7, 9);
    matches!(digits.first(), Some(1..=8))
        && is_day_month(part(digits, 5, 7), part(digits, 3, 5))
        && matches!(county, 1..=52 | 70)
        && digits.last().is_some_and(|check| u32::from(*check) == if sum == 10 { 1 } else { sum })
}

/// SSN has no check digit, only areas that were never given out.
fn american(digits: &[u8]) -> bool {
    !matches!(part(digits, 0, 3), 0 | 666 | 900..)
        && part(digits, 3, 5) > 0
        && part(digits, 5, 9) > 0
}

fn portuguese(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if sum < 2 { 0 } else { 11 - sum };
    digits.first() != Some(&0) && digits.last().is_some_and(|last| u32::from(*last) == check)
}

/// AMKA: a date and Luhn.
fn greek(digits: &[u8]) -> bool {
    is_day_month(part(digits, 0, 2), part(digits, 2, 4)) && luhn(digits)
}

/// Estonian and Lithuanian numbers: sex and century, a date, two rounds of weights.
fn baltic(digits: &[u8]) -> bool {
    let first = weighted(digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first < 10 { first } else { second };
    is_day_month(part(digits, 5, 7), part(digits, 3, 5))
        && digits.last().is_some_and(|last| u32::from(*last) == check)
}

fn british_health(digits: &[u8]) -> bool {
    let sum = weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digits.last().is_some_and(|last| (11 - sum) % 11 == u32::from(*last))
}

fn part(digits: &[u8], from: usize, to: usize) -> u64 {
    value(digits.get(from..to).unwrap_or_default())
}

/// A digit-first number with letters in it, at a digit: DNI, hetu, NIR of Corsica.
pub(super) fn with_letters(candidate: &Candidate<'_>, run: &Run) -> Option<Span> {
    let corsican = || match run.length(0) {
        1 | 6 => letters::corsican(candidate),
        _ => None,
    };
    let finnish = || if run.length(0) == 6 { letters::finnish(candidate) } else { None };
    letters::spanish(candidate, run).or_else(finnish).or_else(corsican)
}

/// A letter-first number, at a word: NIE, codice fiscale, NINO.
pub(super) fn at_word(candidate: &mut Candidate<'_>) -> Option<Span> {
    if !at(candidate.bytes, candidate.start).is_ascii_alphabetic() {
        return None;
    }
    letters::spanish_foreigner(candidate)
        .or_else(|| letters::italian(candidate))
        .or_else(|| letters::british(candidate))
}

mod letters;
