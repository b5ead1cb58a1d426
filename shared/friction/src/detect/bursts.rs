//! Things that come too often.

use contract::Timestamp;

/// Bursts among `things`, which are in order of time: at least `min` within `within_ms` (exactly that long still is), and one
/// burst for as long as that goes on. Says where the things of each are among `things`.
pub(super) fn bursts(things: &[(usize, Timestamp)], min: usize, within_ms: i64) -> Vec<Vec<usize>> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (last, (_, at)) in things.iter().enumerate() {
        let Some(first) = (last + 1).checked_sub(min.max(1)) else { continue };
        let Some((_, from)) = things.get(first) else { continue };
        if at.since_ms(*from) > within_ms {
            continue;
        }
        match found.last_mut() {
            Some((_, until)) if *until >= first => *until = last,
            Some(_) | None => found.push((first, last)),
        }
    }
    let places = |(first, last): &(usize, usize)| {
        let things = things.get(*first..=*last).unwrap_or_default();
        things.iter().map(|(place, _)| *place).collect()
    };
    found.iter().map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[i64]) -> Vec<Vec<usize>> {
        let things: Vec<_> = (0..).zip(times.iter().map(|ms| Timestamp::from_ms(*ms))).collect();
        bursts(&things, 3, 100)
    }

    #[test]
    fn a_burst_goes_on_for_as_long_as_things_come_too_often() {
        let none: Vec<Vec<usize>> = Vec::new();
        assert_eq!(at(&[0, 50, 99]), [[0, 1, 2]]);
        assert_eq!(at(&[0, 50, 100]), [[0, 1, 2]]);
        assert_eq!(at(&[0, 50, 101]), none);
        assert_eq!(at(&[0, 50, 100, 150, 200]), [[0, 1, 2, 3, 4]]);
        assert_eq!(at(&[0, 50, 100, 300, 350, 400]), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(at(&[0, 0, 100, 150, 200]), [[0, 1, 2, 3, 4]], "the third is in both");
        assert_eq!(at(&[0, 0, 0, 99, 101]), [vec![0, 1, 2, 3]], "the fifth is one of two");
        assert_eq!(at(&[]), none);
    }
}
