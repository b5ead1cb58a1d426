//! The numbers of batches: text that sorts in the order in which an organisation's batches are to arrive.
//!
//! `000000000012` is split into `000000000012.0` and `000000000012.1`; what remains of it becomes `000000000012.r1`, then
//! `.r2` to `.r9`, then `.r9.r1`: one digit each, so that every successor sorts behind its predecessor and before the
//! next number.

/// The number of a freshly formed batch.
#[must_use]
pub fn sequence(number: u64) -> String {
    format!("{number:012}")
}

/// How many times in a row the batch `seq` is a remainder of another.
#[must_use]
pub fn remainders(seq: &str) -> u32 {
    seq.rsplit('.').map_while(remainder_digit).sum()
}

pub(super) fn half(seq: &str, second: bool) -> String {
    format!("{seq}.{}", u8::from(second))
}

pub(super) fn next_remainder(seq: &str) -> String {
    if let Some((head, last)) = seq.rsplit_once('.')
        && let Some(digit) = remainder_digit(last)
        && digit < 9
    {
        return format!("{head}.r{}", digit + 1);
    }
    format!("{seq}.r1")
}

fn remainder_digit(part: &str) -> Option<u32> {
    part.strip_prefix('r').and_then(|digit| digit.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_successor_sorts_behind_its_predecessor_and_before_the_next_number() {
        let mut seq = sequence(12);
        for round in 1..40 {
            let next = next_remainder(&seq);
            assert!(next > seq && next < sequence(13), "{next}");
            assert_eq!(remainders(&next), round);
            seq = next;
        }
        let (first, second) = (half(&seq, false), half(&seq, true));
        assert!(seq < first && next_remainder(&first) < second && second < sequence(13));
        assert_eq!(remainders(&first), 0);
    }

    #[test]
    fn numbers_sort_as_numbers() {
        assert!(sequence(9) < sequence(10));
        assert_eq!(sequence(12), "000000000012");
    }
}
