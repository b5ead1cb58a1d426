//! Digits in groups, as people write long numbers.

use super::bytes::{at, before, digit, end_of, is_word, separator};

/// Up to 12 groups of digits with single separators between them, and at most 40 digits.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    groups: [Group; GROUPS_MAX],
    count: usize,
    digits: [u8; DIGITS_MAX],
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    /// Counted from the start of the run.
    end: u8,
    /// Digits of this and all earlier groups.
    total: u8,
    length: u8,
    /// The separator after the group; 0 after the last.
    separator: u8,
}

impl Run {
    /// Reads the groups from a digit onwards; nothing at or after `limit` belongs to them.
    pub(super) fn read(bytes: &[u8], start: usize, limit: usize) -> Self {
        let mut run = Self {
            start,
            groups: [Group::default(); GROUPS_MAX],
            count: 0,
            digits: [0; DIGITS_MAX],
        };
        let mut place = start;
        let mut total = 0;
        for slot in 0..GROUPS_MAX {
            let end = end_of(bytes, place, limit, |byte| byte.is_ascii_digit());
            let length = end - place;
            if length == 0 || total + length > DIGITS_MAX {
                break;
            }
            for (offset, value) in run.digits.iter_mut().skip(total).take(length).enumerate() {
                *value = digit(at(bytes, place + offset));
            }
            total += length;
            let next = separator(bytes, end).filter(|(width, _)| {
                end + width < limit && at(bytes, end + width).is_ascii_digit()
            });
            let (width, between) = next.unwrap_or((0, 0));
            if let Some(group) = run.groups.get_mut(slot) {
                let small = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
                *group = Group {
                    end: small(end - start),
                    total: small(total),
                    length: small(length),
                    separator: between,
                };
            }
            run.count = slot + 1;
            if width == 0 {
                break;
            }
            place = end + width;
        }
        run
    }

    /// How many digits there are.
    pub(super) fn total(&self) -> usize {
        self.digits(self.count).len()
    }

    /// How many groups there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The length of a group, counted from 0; 0 when there is none.
    pub(super) fn length(&self, group: usize) -> usize {
        usize::from(self.group(group).length)
    }

    /// The digits of the first groups.
    pub(super) fn digits(&self, groups: usize) -> &[u8] {
        let total = groups.checked_sub(1).map_or(0, |last| self.group(last).total);
        self.digits.get(..usize::from(total)).unwrap_or_default()
    }

    /// The separator after a group; 0 when there is none.
    pub(super) fn separator(&self, group: usize) -> u8 {
        self.group(group).separator
    }

    /// Where the first groups end.
    pub(super) fn end(&self, groups: usize) -> usize {
        groups
            .checked_sub(1)
            .map_or(self.start, |last| self.start + usize::from(self.group(last).end))
    }

    /// Whether the run begins with groups of these lengths, and no letter follows.
    pub(super) fn begins(&self, bytes: &[u8], lengths: &[usize]) -> bool {
        lengths.len() <= self.count
            && lengths.iter().enumerate().all(|(group, length)| self.length(group) == *length)
            && !is_word(at(bytes, self.end(lengths.len())))
    }

    /// As [`Self::begins`], with the same separator throughout.
    pub(super) fn begins_evenly(&self, bytes: &[u8], lengths: &[usize]) -> bool {
        let same = |group: usize| self.separator(group) == self.separator(0);
        self.begins(bytes, lengths) && (0..lengths.len().saturating_sub(1)).all(same)
    }

    fn group(&self, group: usize) -> Group {
        if group < self.count {
            self.groups.get(group).copied().unwrap_or_default()
        } else {
            Group::default()
        }
    }
}

/// Whether the digits at a place are the tail of a longer number: a decimal, a date, a time, a dashed order number.
pub(super) fn is_joined(bytes: &[u8], place: usize) -> bool {
    let two_before = place.checked_sub(2).map_or(0, |place| at(bytes, place));
    let tail_of_number = two_before.is_ascii_digit() || two_before == b']';
    match before(bytes, place) {
        b'.' | b'-' | b':' | b'/' => tail_of_number,
        b',' => {
            tail_of_number
                && end_of(bytes, place, place + 9, |byte| byte.is_ascii_digit()) < place + 9
        }
        _ => false,
    }
}

const GROUPS_MAX: usize = 12;
const DIGITS_MAX: usize = 40;
