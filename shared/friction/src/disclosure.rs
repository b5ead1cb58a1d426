//! Which numbers may stand beside each other: whoever subtracts what is told from what it is a part of gets nothing that one
//! to four actors are behind.

/// Slots of actors that are behind a number: at least as many actors as there are slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actors(u64);

/// A sum that is told beside its parts: which parts, and how large each of them is. A part with nothing in it is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Total {
    /// Places among the parts, with sizes.
    pub parts: Vec<(usize, i64)>,
}

/// What may be told of some parts and of the totals that they are parts of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// For each part.
    pub parts: Vec<bool>,
    /// For each total.
    pub totals: Vec<bool>,
}

impl Actors {
    /// Those in `slots`, each below 64.
    #[must_use]
    pub fn of(slots: impl IntoIterator<Item = u8>) -> Self {
        let bits = slots.into_iter().filter_map(|slot| 1_u64.checked_shl(slot.into()));
        Self(bits.fold(0, |slots, bit| slots | bit))
    }

    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// At least so many different ones.
    #[must_use]
    pub fn at_least(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or_default()
    }
}

/// True for a number that nobody is behind, and for one that at least `actors_min` are. `behind` is nothing where it is not
/// known who is.
#[must_use]
pub fn may_tell(number: i64, behind: Option<Actors>, actors_min: usize) -> bool {
    number == 0 || behind.is_some_and(|actors| actors.at_least() >= actors_min)
}

/// Decides what may be told of parts with these actors, some of whose sums are told as `totals`.
///
/// A part needs `actors_min` actors. Those behind all parts of a total that are not told are nobody, or as many: else the
/// smallest part that would be told is not, and so on; a total of which no part is told is not told either. Of equal parts the
/// last one goes first.
#[must_use]
pub fn decide(parts: &[Actors], totals: &[Total], actors_min: usize) -> Told {
    let mut told = Told {
        parts: parts.iter().map(|actors| actors.at_least() >= actors_min).collect(),
        totals: vec![true; totals.len()],
    };
    // Each turn takes away one more.
    while let Some((at, leaks)) = first_leak(parts, totals, &told, actors_min) {
        let smallest = leaks.parts.iter().rev().filter(|(part, _)| is(&told.parts, *part));
        match smallest.min_by_key(|(_, size)| *size) {
            Some((part, _)) => set_off(&mut told.parts, *part),
            None => set_off(&mut told.totals, at),
        }
    }
    told
}

/// A total that is told, and tells too much.
fn first_leak<'a>(
    parts: &[Actors],
    totals: &'a [Total],
    told: &Told,
    actors_min: usize,
) -> Option<(usize, &'a Total)> {
    totals.iter().enumerate().find(|(at, total)| {
        let mut hidden = total.parts.iter().filter(|(part, _)| !is(&told.parts, *part)).peekable();
        let is_something = hidden.peek().is_some();
        let behind = hidden.filter_map(|(part, _)| parts.get(*part));
        let behind = behind.fold(Actors::default(), |all, actors| all.and(*actors));
        is(&told.totals, *at) && is_something && behind.at_least() < actors_min
    })
}

fn is(told: &[bool], at: usize) -> bool {
    told.get(at).copied().unwrap_or_default()
}

fn set_off(told: &mut [bool], at: usize) {
    if let Some(told) = told.get_mut(at) {
        *told = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(sizes: &[i64]) -> Total {
        Total { parts: sizes.iter().copied().enumerate().filter(|(_, size)| *size > 0).collect() }
    }

    fn actors(counts: &[(u8, u8)]) -> Vec<Actors> {
        counts.iter().map(|(from, to)| Actors::of(*from..*to)).collect()
    }

    #[test]
    fn one_part_of_few_takes_the_smallest_of_the_others_with_it() {
        let parts = actors(&[(0, 30), (30, 36), (40, 48), (50, 52)]);
        let told = decide(&parts, &[total(&[300, 60, 8, 2])], 5);
        assert_eq!((told.parts, told.totals), (vec![true, true, false, false], vec![true]));
    }

    #[test]
    fn parts_of_few_who_are_enough_together_take_nothing_with_them() {
        let parts = actors(&[(0, 30), (30, 33), (33, 36)]);
        assert_eq!(decide(&parts, &[total(&[30, 3, 3])], 5).parts, [true, false, false]);
        // The same three people twice are three.
        let parts = actors(&[(0, 30), (30, 33), (30, 33)]);
        let told = decide(&parts, &[total(&[30, 3, 3])], 5);
        assert_eq!((told.parts, told.totals), (vec![false; 3], vec![true]));
    }

    #[test]
    fn a_total_of_few_is_not_told() {
        let told = decide(&actors(&[(0, 2), (2, 4)]), &[total(&[5, 5])], 5);
        assert_eq!((told.parts, told.totals), (vec![false, false], vec![false]));
        let nothing = decide(&[], &[Total::default()], 5);
        assert_eq!(nothing.totals, [true], "nothing is nobody's");
    }

    #[test]
    fn what_one_total_takes_away_counts_for_the_others() {
        // Of the second total only the first part is told, and what is missing of the first one takes it away.
        let parts = actors(&[(0, 6), (10, 12), (20, 60)]);
        let told = decide(&parts, &[total(&[6, 2, 40]), total(&[6, 0, 0])], 5);
        assert_eq!((told.parts, told.totals), (vec![false, false, true], vec![true, true]));
    }

    #[test]
    fn nobody_knows_who_is_behind_a_part() {
        let parts = [Actors::of(0..9), Actors::default()];
        assert_eq!(decide(&parts, &[total(&[9, 1])], 5).parts, [false, false]);
        assert!(may_tell(0, None, 5) && !may_tell(1, None, 5));
        assert!(may_tell(1, Some(Actors::of(0..5)), 5) && !may_tell(9, Some(Actors::of(0..4)), 5));
    }

    proptest! {
        #[test]
        fn no_total_minus_what_is_told_of_it_is_of_one_to_four(
            parts in prop::collection::vec(prop::collection::btree_set(0_u8..20, 0..9), 1..9),
            sizes in prop::collection::vec(prop::collection::vec(0_i64..9, 8), 1..4),
        ) {
            let behind: Vec<Actors> = parts.iter().map(|slots| Actors::of(slots.iter().copied())).collect();
            let totals: Vec<Total> = sizes.iter().map(|sizes| total(&sizes[..parts.len().min(8)])).collect();
            let told = decide(&behind, &totals, 5);
            for (at, slots) in parts.iter().enumerate() {
                prop_assert!(!told.parts[at] || slots.len() >= 5);
            }
            for (total, is_told) in totals.iter().zip(&told.totals) {
                let hidden = total.parts.iter().filter(|(part, _)| !told.parts[*part]);
                let mut is_any = false;
                let left: std::collections::BTreeSet<u8> = hidden
                    .inspect(|_| is_any = true)
                    .flat_map(|(part, _)| parts[*part].iter().copied())
                    .collect();
                prop_assert!(!is_told || !is_any || left.len() >= 5);
                // Whoever is told a part of it is told it.
                prop_assert!(*is_told || total.parts.iter().all(|(part, _)| !told.parts[*part]));
            }
            // Without a leak nothing is taken away that was not too small by itself.
            if behind.iter().all(|actors| actors.at_least() >= 5) {
                prop_assert!(told.parts.iter().chain(&told.totals).all(|told| *told));
            }
        }
    }
}
