//! Telephone numbers: international ones by their country code, national ones by their grouping or the words around them.

use super::{
    EntityKind, Span,
    bytes::{at, before, cut, digit, end_of, is_word, reads, separator},
    candidate::Candidate,
    context::Topic,
    network::is_version,
    number::is_joined,
};

/// A telephone number at `+`, `%2B`, `(` or a digit.
pub(super) fn find(candidate: &mut Candidate<'_>) -> Option<Span> {
    let bytes = candidate.bytes;
    if is_joined(bytes, candidate.start)
        || matches!(before(bytes, candidate.start), b'#' | b'$' | b'+' | b'*')
    {
        return None;
    }
    let number = Dialled::read(bytes, candidate.start, candidate.limit)?;
    let groups = match number.prefix {
        Prefix::Plus => number.international(0),
        Prefix::None if number.begins_with(&[0, 0]) => {
            number.international(2).filter(|groups| number.total(*groups) >= 11)
        }
        Prefix::None => None,
    };
    let groups = groups.or_else(|| number.national(candidate))?;
    let end = extension_end(bytes, number.end(groups), candidate.limit);
    candidate.span(end, EntityKind::Phone)
}

/// A number as it is dialled: groups of digits, brackets between them allowed.
#[derive(Debug)]
struct Dialled<'t> {
    bytes: &'t [u8],
    prefix: Prefix,
    groups: [Group; GROUPS_MAX],
    count: usize,
    digits: [u8; DIGITS_MAX],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Plus,
    None,
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    length: usize,
    total: usize,
    end: usize,
    /// What follows the group: a separator, `)` for brackets, 0 at the end.
    follows: u8,
}

impl<'t> Dialled<'t> {
    fn read(bytes: &'t [u8], start: usize, limit: usize) -> Option<Self> {
        let bracket = at(bytes, start) == b'(';
        let place = if bracket { start + 1 } else { start };
        let (prefix, mut place) = match at(bytes, place) {
            b'+' => (Prefix::Plus, place + 1),
            b'%' if reads(bytes, place, "%2B") => (Prefix::Plus, place + 3),
            _ => (Prefix::None, place),
        };
        if prefix == Prefix::Plus && matches!(at(bytes, place), b' ' | b'(') {
            place += 1;
        }
        let mut number = Self {
            bytes,
            prefix,
            groups: [Group::default(); GROUPS_MAX],
            count: 0,
            digits: [0; DIGITS_MAX],
        };
        while let Some(next) = number.push(place, limit) {
            place = next;
        }
        let closed = number.groups.first().is_some_and(|group| group.follows == b')');
        (number.count > 0 && (!bracket || closed)).then_some(number)
    }

    /// Takes one group; the place of the next if there is one.
    fn push(&mut self, place: usize, limit: usize) -> Option<usize> {
        let end = end_of(self.bytes, place, limit, |byte| byte.is_ascii_digit());
        let length = end - place;
        let before = self.total(self.count);
        // A trunk prefix in brackets is dialled only at home.
        let trunk = self.prefix == Prefix::Plus
            && length == 1
            && cut(self.bytes, place - 1, end + 1) == b"(0)";
        let counted = if trunk { 0 } else { length };
        if length == 0 || before + counted > DIGITS_MAX || self.count == GROUPS_MAX {
            return None;
        }
        for (offset, value) in self.digits.iter_mut().skip(before).take(counted).enumerate() {
            *value = digit(at(self.bytes, place + offset));
        }
        let next = between(self.bytes, end, limit);
        if let Some(group) = self.groups.get_mut(self.count) {
            let follows = next.map_or(0, |(_, byte)| byte);
            *group = Group { length: counted, total: before + counted, end, follows };
        }
        self.count += 1;
        next.map(|(place, _)| place)
    }

    /// How many groups make an international number whose country code begins after `skipped` digits.
    fn international(&self, skipped: usize) -> Option<usize> {
        let digits = self.digits.get(skipped..self.total(self.count)).unwrap_or_default();
        let &[first, second, third, ..] = digits else { return None };
        let [first, second, third] = [first, second, third].map(u32::from);
        let codes = [first, first * 10 + second, first * 100 + second * 10 + third];
        let known = COUNTRIES.iter().find(|(code, ..)| codes.contains(code));
        let usual = known.and_then(|(code, min, max)| {
            let code_length = if *code < 10 {
                1
            } else if *code < 100 {
                2
            } else {
                3
            };
            self.longest(|total| {
                (code_length + min..=code_length + max).contains(&(total - skipped))
            })
        });
        // A number that is too long or too short for its country is still somebody's, mistyped.
        let unusual = || self.longest(|total| (8..=15).contains(&(total - skipped)));
        usual.or_else(|| (first != 0).then(unusual).flatten())
    }

    /// How many groups make a national number that looks like one by itself, or that words call one.
    fn national(&self, candidate: &mut Candidate<'_>) -> Option<usize> {
        let lengths: [usize; GROUPS_MAX] = self.groups.map(|group| group.length);
        let date = matches!(lengths, [4, 1..=2, 1..=2, ..] | [1..=2, 1..=2, 4, ..])
            && self.follows(0) == self.follows(1)
            && self.follows(0) != b' ';
        if self.total(self.count) < 6
            || date
            || self.prefix == Prefix::Plus
            || followed_by_unit(self.bytes, self.end(self.count))
        {
            return None;
        }
        let soft = matches!(before(self.bytes, candidate.start), b'-' | b'.' | b'/');
        let reference = candidate.near(Topic::Reference, 24);
        if !soft
            && !reference
            && let Some(groups) = self.alone()
        {
            return Some(groups);
        }
        let announced = !is_version(self.bytes, candidate.start)
            && candidate.rather(Topic::Phone, Topic::Reference, 40);
        let announced = announced && !candidate.rather(Topic::National, Topic::Phone, 40);
        let usual = self
            .longest(|total| (9..=11).contains(&total))
            .or_else(|| self.longest(|total| (6..=15).contains(&total)))
            .filter(|groups| *groups > 1 || self.total(1) >= 7)?;
        (announced || followed_by_label(self.bytes, self.end(usual))).then_some(usual)
    }

    /// How many groups make a national number in a grouping that little else has.
    fn alone(&self) -> Option<usize> {
        let digits = self.digits.get(..self.total(self.count)).unwrap_or_default();
        let lengths: [usize; GROUPS_MAX] = self.groups.map(|group| group.length);
        let (one, two) = (*digits.first()?, *digits.get(1)?);
        let even =
            |groups: usize| (1..groups).all(|group| self.follows(group - 1) == self.follows(0));
        let groups = match (lengths, one, two) {
            ([10, ..], 0, 6 | 7) | ([11, ..], 0, 7) | ([11 | 12, ..], 0, 1)
                if self.count == 1 || self.follows(0) == b' ' =>
            {
                1
            }
            ([2, 2, 2, 2, 2, ..], 0, 1..=9) if even(5) => 5,
            ([1, 3, 3, 4, ..], 1, 2..=9) => 4,
            ([3, 3, 4, ..], 2..=9, _)
                if self.follows(0) == b')' || (self.follows(0) != b' ' && even(3)) =>
            {
                3
            }
            ([3, 7, ..], 3, 2..=9) => 2,
            ([3, 3, 4, ..], 3, 2..=9) if even(3) => 3,
            ([3, 3, 3, ..], 4..=9, _)
                if even(3) && self.follows(0) != b'.' && !digits.ends_with(&[0, 0, 0]) =>
            {
                3
            }
            ([3, 2, 2, 2, ..] | [2, 3, 2, 2, ..], 1..=9, _) if even(4) => 4,
            ([2..=5, 2..=17, ..], 0, 1..=9) => self.trunk(&lengths)?,
            _ => return None,
        };
        self.ends_well(groups).then_some(groups)
    }

    /// A trunk prefix and an area code, then the number in groups of at least two digits.
    fn trunk(&self, lengths: &[usize]) -> Option<usize> {
        let groups = self
            .longest(|total| (9..=11).contains(&total))
            .or_else(|| self.longest(|total| total == 12))?;
        let shaped =
            (2..=6).contains(&groups) && lengths.iter().take(groups).all(|length| *length >= 2);
        let slashes = (1..groups).any(|group| self.follows(group) == b'/' && group + 1 < groups);
        (shaped && !slashes).then_some(groups)
    }

    /// The most groups whose digits satisfy the condition and after which the number may end.
    fn longest(&self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        (1..=self.count).rev().find(|groups| {
            let total = self.total(*groups);
            total >= 4 && fits(total) && self.ends_well(*groups)
        })
    }

    fn ends_well(&self, groups: usize) -> bool {
        let next = at(self.bytes, self.end(groups));
        !is_word(next) || is_extension(self.bytes, self.end(groups))
    }

    fn begins_with(&self, digits: &[u8]) -> bool {
        self.digits.get(..self.total(self.count)).is_some_and(|own| own.starts_with(digits))
    }

    fn total(&self, groups: usize) -> usize {
        groups.checked_sub(1).and_then(|last| self.groups.get(last)).map_or(0, |group| group.total)
    }

    fn end(&self, groups: usize) -> usize {
        groups.checked_sub(1).and_then(|last| self.groups.get(last)).map_or(0, |group| group.end)
    }

    fn follows(&self, group: usize) -> u8 {
        self.groups.get(group).map_or(0, |group| group.follows)
    }
}

/// The place of the digit after a separator, brackets or both; and what stands for them.
fn between(bytes: &[u8], end: usize, limit: usize) -> Option<(usize, u8)> {
    let mut place = end;
    let (mut plain, mut brackets) = (0, 0);
    for _ in 0..4 {
        if matches!(at(bytes, place), b'(' | b')') {
            brackets = b')';
            place += 1;
        } else if let Some((width, byte)) = separator(bytes, place)
            && (plain == 0 || brackets != 0)
        {
            plain = byte;
            place += width;
        } else {
            break;
        }
    }
    let stands_for = if brackets != 0 { brackets } else { plain };
    (place > end && place < limit && at(bytes, place).is_ascii_digit())
        .then_some((place, stands_for))
}

/// Where the number ends with its extension, if it has one.
fn extension_end(bytes: &[u8], end: usize, limit: usize) -> usize {
    if !is_extension(bytes, end) {
        return end;
    }
    let digits = end_of(bytes, end, limit.min(end + 12), |byte| !byte.is_ascii_digit());
    end_of(bytes, digits, limit.min(digits + 6), |byte| byte.is_ascii_digit())
}

fn is_extension(bytes: &[u8], place: usize) -> bool {
    let place = end_of(bytes, place, place + 2, |byte| byte == b' ' || byte == b',');
    EXTENSIONS.iter().any(|word| {
        let digits = place + word.len();
        reads(bytes, place, word)
            && end_of(bytes, digits, digits + 2, |byte| matches!(byte, b'.' | b' ' | b':'))
                < bytes.len()
            && at(
                bytes,
                end_of(bytes, digits, digits + 2, |byte| matches!(byte, b'.' | b' ' | b':')),
            )
            .is_ascii_digit()
    })
}

fn followed_by_unit(bytes: &[u8], end: usize) -> bool {
    let place = end_of(bytes, end, end + 1, |byte| byte == b' ');
    UNITS.iter().any(|unit| {
        reads(bytes, place, unit) && !at(bytes, place + unit.len()).is_ascii_alphanumeric()
    })
}

fn followed_by_label(bytes: &[u8], end: usize) -> bool {
    let place = end_of(bytes, end, end + 2, |byte| matches!(byte, b' ' | b'(' | b'-'));
    place > end
        && LABELS
            .iter()
            .any(|label| reads(bytes, place, label) && !is_word(at(bytes, place + label.len())))
}

const GROUPS_MAX: usize = 9;
const DIGITS_MAX: usize = 17;
const EXTENSIONS: [&str; 4] = ["extension", "ext", "x", "#"];
const LABELS: [&str; 12] = [
    "office", "fax", "mobile", "mobil", "cell", "home", "desk", "direct", "work", "phone", "tel",
    "handy",
];
const UNITS: [&str; 15] =
    ["eur", "usd", "gbp", "pln", "chf", "zł", "€", "$", "£", "%", "ms", "bytes", "kb", "mb", "px"];
/// Country code, then the fewest and the most digits after it, where the country is one of ours or a neighbour.
#[rustfmt::skip]
const COUNTRIES: [(u32, usize, usize); 41] = [
    (1, 10, 10), (7, 10, 10), (20, 8, 10), (27, 9, 9), (30, 10, 10), (31, 9, 9), (32, 8, 9), (33, 9, 9), (34, 9, 9),
    (36, 8, 9), (39, 8, 11), (40, 9, 9), (41, 9, 9), (43, 7, 13), (44, 9, 10), (45, 8, 8), (46, 7, 10), (47, 8, 8),
    (48, 9, 9), (49, 7, 12), (351, 9, 9), (352, 6, 9), (353, 7, 9), (354, 7, 9), (355, 8, 9), (356, 8, 8), (357, 8, 8),
    (358, 6, 11), (359, 8, 9), (370, 8, 8), (371, 8, 8), (372, 7, 8), (373, 8, 8), (380, 9, 9), (381, 8, 9), (385, 8, 9),
    (386, 8, 8), (387, 8, 8), (389, 8, 8), (420, 9, 9), (421, 9, 9),
];
