//! How events are cut into transactions: those that share counters share one, and transactions that share nothing run at
//! the same time.

use std::collections::{BTreeSet, VecDeque};

use contract::{OrgId, limits::CHUNK_EVENTS_MAX};

/// Events that are counted together, by their place in the batch; `tries` counts what was in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) places: Vec<usize>,
    pub(crate) tries: u32,
}

/// What to do with a chunk that was too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Halves {
    /// They share no organisation, hence nothing.
    Apart(Chunk, Chunk),
    /// One after the other.
    Together(Chunk, Chunk),
}

/// Cuts events that are sorted by organisation. Small organisations share a chunk, a large one has its own.
pub(crate) fn cut<'a>(
    places: &[usize],
    org: impl Fn(usize) -> Option<&'a OrgId>,
) -> VecDeque<Chunk> {
    let mut chunks: VecDeque<Chunk> = VecDeque::new();
    for of_one in places.chunk_by(|left, right| org(*left) == org(*right)) {
        match chunks.back_mut() {
            Some(last) if last.places.len() + of_one.len() <= CHUNK_EVENTS_MAX => {
                last.places.extend_from_slice(of_one);
            }
            Some(_) | None => chunks.extend(of_one.chunks(CHUNK_EVENTS_MAX).map(Chunk::of)),
        }
    }
    chunks
}

/// Takes the chunks of a round: the first ones that share no organisation.
pub(crate) fn round<'a>(
    pending: &mut VecDeque<Chunk>,
    org: impl Fn(usize) -> Option<&'a OrgId>,
) -> Vec<Chunk> {
    let mut taken = BTreeSet::new();
    let (mut round, mut later) = (Vec::new(), VecDeque::new());
    for chunk in pending.drain(..) {
        let orgs: BTreeSet<_> = chunk.places.iter().map(|at| org(*at)).collect();
        // An organisation's chunks keep their order, so those behind one that waits do as well.
        let waits = round.len() == AT_ONCE || !orgs.is_disjoint(&taken);
        taken.extend(orgs);
        if waits { later.push_back(chunk) } else { round.push(chunk) }
    }
    *pending = later;
    round
}

impl Chunk {
    fn of(places: &[usize]) -> Self {
        Self { places: places.to_vec(), tries: 0 }
    }

    /// Two chunks in the place of this one, between two organisations if there are two; nothing for one event.
    pub(crate) fn halves<'a>(&self, org: impl Fn(usize) -> Option<&'a OrgId>) -> Option<Halves> {
        let middle = self.places.len() / 2;
        if middle == 0 {
            return None;
        }
        let between = (1..self.places.len()).filter(|at| {
            let (left, right) = (self.places.get(at - 1), self.places.get(*at));
            left.and_then(|at| org(*at)) != right.and_then(|at| org(*at))
        });
        let nearest = between.min_by_key(|at| at.abs_diff(middle));
        let (left, right) = self.places.split_at(nearest.unwrap_or(middle));
        let half = |places: &[usize]| Self { places: places.to_vec(), tries: self.tries };
        let (left, right) = (half(left), half(right));
        Some(match nearest {
            Some(_) => Halves::Apart(left, right),
            None => Halves::Together(left, right),
        })
    }
}

/// Transactions under way at once.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Organisations by their number of events.
    struct Orgs(Vec<OrgId>);

    impl Orgs {
        fn of(events: &[usize]) -> Self {
            let org = |(at, events): (usize, &usize)| {
                vec![OrgId::parse(format!("o{at}")).unwrap(); *events]
            };
            Self(events.iter().enumerate().flat_map(org).collect())
        }

        fn places(&self) -> Vec<usize> {
            (0..self.0.len()).collect()
        }

        fn org<'a>(&'a self) -> impl Fn(usize) -> Option<&'a OrgId> {
            |at| self.0.get(at)
        }

        fn cut(&self) -> VecDeque<Chunk> {
            cut(&self.places(), self.org())
        }
    }

    fn sizes<'a>(chunks: impl IntoIterator<Item = &'a Chunk>) -> Vec<usize> {
        chunks.into_iter().map(|chunk| chunk.places.len()).collect()
    }

    #[test]
    fn small_organisations_share_a_chunk_and_a_large_one_has_its_own() {
        assert_eq!(
            sizes(&Orgs::of(&[300, 200, 1, 1_100, 300, 200]).cut()),
            [500, 1, 500, 500, 400, 200]
        );
        assert_eq!(sizes(&Orgs::of(&[]).cut()), [0; 0]);
    }

    #[test]
    fn a_round_holds_no_organisation_twice_and_keeps_each_ones_order() {
        let orgs = Orgs::of(&[300, 300, 1_100]);
        let mut pending = orgs.cut();
        assert_eq!(sizes(&pending), [300, 300, 500, 500, 100]);
        for expected in [vec![300, 300, 500], vec![500], vec![100], vec![]] {
            assert_eq!(sizes(&round(&mut pending, orgs.org())), expected);
        }
    }

    #[test]
    fn so_many_transactions_and_no_more_run_at_once() {
        let orgs = Orgs::of(&[400; 20]);
        let mut pending = orgs.cut();
        assert_eq!(round(&mut pending, orgs.org()).len(), AT_ONCE);
        assert_eq!(pending.len(), 20 - AT_ONCE);
    }

    #[test]
    fn a_chunk_is_cut_between_organisations_near_its_middle_or_else_in_its_middle() {
        let orgs = Orgs::of(&[10, 60, 30]);
        let whole = Chunk { places: orgs.places(), tries: 2 };
        let Some(Halves::Apart(left, right)) = whole.halves(orgs.org()) else {
            panic!("three of them")
        };
        assert_eq!(sizes([&left, &right]), [70, 30]);
        assert_eq!(left.tries, 2);
        let Some(Halves::Together(left, right)) = right.halves(orgs.org()) else {
            panic!("one of them")
        };
        assert_eq!(sizes([&left, &right]), [15, 15]);
        assert_eq!(Chunk::of(&[7]).halves(orgs.org()), None);
    }
}
