//! Passport and identity card numbers, which only the words before them give away.

use super::{EntityKind, Span, bytes::cut, candidate::Candidate, context::Topic};

/// A number of capitals and digits that words call a passport's; the word ends at `end`. Germany's may have no digit at
/// all, and neither vowels nor letters that look like digits.
pub(super) fn find(candidate: &mut Candidate<'_>, end: usize) -> Option<Span> {
    let word = cut(candidate.bytes, candidate.start, end);
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let shaped = (6..=11).contains(&word.len())
        && (digits > 0 || word.len() == 9 && !word.iter().any(|byte| b"AEIOUBDQS".contains(byte)))
        && word.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if shaped && candidate.rather(Topic::Passport, Topic::Reference, 32) {
        candidate.span(end, EntityKind::Passport)
    } else {
        None
    }
}
