//! Payment cards: Luhn's check digit, a known issuer, and the layouts that are printed on cards.

use super::{
    EntityKind, Span,
    candidate::Candidate,
    checksum::{luhn, value},
    context::Topic,
    number::Run,
};

/// A card at the start of the run.
pub(super) fn find(candidate: &mut Candidate<'_>, run: &Run) -> Option<Span> {
    let bytes = candidate.bytes;
    if run.total() < SHORTEST {
        return None;
    }
    let contiguous = (12..=19).contains(&run.length(0)) && run.begins(bytes, &[run.length(0)]);
    let groups = match contiguous {
        true => 1,
        false => LAYOUTS.iter().find(|layout| run.begins_evenly(bytes, layout))?.len(),
    };
    let digits = run.digits(groups);
    let announced =
        |candidate: &mut Candidate<'_>| candidate.rather(Topic::Card, Topic::Reference, 60);
    let accepted = match (luhn(digits), has_issuer(digits)) {
        (true, true) if digits.len() > LENGTH_OF_OTHER_NUMBERS => true,
        (true, _) => announced(candidate),
        // A mistyped card is still most of a card.
        (false, known) => digits.len() == 16 && (known || !contiguous) && announced(candidate),
    };
    accepted.then(|| Span { start: run.start, end: run.end(groups), kind: EntityKind::Card })
}

/// Whether an issuer has this beginning in a card of this length.
fn has_issuer(digits: &[u8]) -> bool {
    let head = |length: usize| value(digits.get(..length).unwrap_or_default());
    match digits.len() {
        16 if head(1) == 4 || (51..=55).contains(&head(2)) || (2221..=2720).contains(&head(4)) => {
            true
        }
        13 | 19 if head(1) == 4 => true,
        15 if matches!(head(2), 34 | 37) || matches!(head(4), 1800 | 2131) => true,
        14 if matches!(head(2), 36 | 38 | 39) || (300..=305).contains(&head(3)) => true,
        16..=19 if is_long_range(head(2), head(3), head(4)) => true,
        12..=19 => head(2) == 50 || (56..=69).contains(&head(2)),
        _ => false,
    }
}

fn is_long_range(two: u64, three: u64, four: u64) -> bool {
    four == 6011 || (644..=659).contains(&three) || two == 62 || (3528..=3589).contains(&four)
}

const SHORTEST: usize = 12;
/// Article numbers and times in ms have 13 digits, account numbers of clouds 12.
const LENGTH_OF_OTHER_NUMBERS: usize = 13;
const LAYOUTS: [&[usize]; 6] =
    [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 3], &[6, 13]];
