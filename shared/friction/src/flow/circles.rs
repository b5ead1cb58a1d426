//! Of which steps it may be told how often they were taken: as many flows come to a screen as leave it, so that one unknown
//! step between known ones is known as well. It is not when it is on a circle of steps that are all unknown.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use petgraph::{algo::tarjan_scc, graph::DiGraph, unionfind::UnionFind};

use crate::cells::{ENTRY, EXIT};

/// A step between two screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// How often.
    pub(super) steps: i64,
    /// Nothing else speaks against telling it.
    pub(super) is_told: bool,
    /// Enough actors are behind it, so that it may become known.
    pub(super) is_safe: bool,
}

/// Those that are told when each that is not safe is put on a circle of steps that are not told, the least frequent that there
/// are. Every flow goes on to the exit, and by the entry back to where it came from: so there is one.
pub(super) fn told<'a>(mut steps: Vec<Step<'a>>) -> BTreeSet<(&'a str, &'a str)> {
    let screens: BTreeSet<&str> =
        steps.iter().flat_map(|step| [node(step.from), node(step.to)]).collect();
    let places: BTreeMap<&str, usize> = (0..).zip(screens).map(|(at, name)| (name, at)).collect();
    let place = |name: &str| places.get(node(name)).copied().unwrap_or_default();
    let ends: Vec<(usize, usize)> =
        steps.iter().map(|step| (place(step.from), place(step.to))).collect();
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
    for (at, (from, _)) in ends.iter().enumerate() {
        if let Some(leaving) = leaving.get_mut(*from) {
            leaving.push(at);
        }
    }
    let mut circles = circles_of_untold(&steps, &ends, places.len());
    for (step, (from, to)) in steps.clone().into_iter().zip(&ends) {
        if !step.is_safe && step.steps > 0 && !circles.equiv(*from, *to) {
            for at in cheapest((*to, *from), &steps, &ends, &leaving) {
                if let (Some(step), Some((from, to))) = (steps.get_mut(at), ends.get(at)) {
                    step.is_told = false;
                    circles.union(*from, *to);
                }
            }
        }
    }
    steps.iter().filter(|step| step.is_told).map(|step| (step.from, step.to)).collect()
}

/// Places that are on circles of steps that are not told, with all others on these: whatever else leads from one of them to
/// another is on such a circle as well, so that nearly nothing is left to look for.
fn circles_of_untold(
    steps: &[Step<'_>],
    ends: &[(usize, usize)],
    places: usize,
) -> UnionFind<usize> {
    let untold = steps.iter().zip(ends).filter(|(step, _)| step.steps > 0 && !step.is_told);
    let untold: DiGraph<(), (), usize> = DiGraph::from_edges(untold.map(|(_, ends)| *ends));
    let mut circles = UnionFind::new(places);
    for circle in tarjan_scc(&untold) {
        for pair in circle.windows(2) {
            if let [one, other] = pair {
                circles.union(one.index(), other.index());
            }
        }
    }
    circles
}

/// The steps of the way from one place to another on which the least is told that must not be told any more.
fn cheapest(
    (from, to): (usize, usize),
    steps: &[Step<'_>],
    ends: &[(usize, usize)],
    leaving: &[Vec<usize>],
) -> Vec<usize> {
    // For each place how much that is, and by which step it is reached.
    let mut best: Vec<Option<(i64, usize)>> = vec![None; leaving.len()];
    let mut open = BinaryHeap::from([Reverse((0_i64, from))]);
    while let Some(Reverse((cost, place))) = open.pop() {
        if place == to {
            break;
        }
        for at in leaving.get(place).into_iter().flatten() {
            let (Some(step), Some((_, next))) = (steps.get(*at), ends.get(*at)) else { continue };
            let cost = cost.saturating_add(if step.is_told { step.steps } else { 0 });
            let Some(held) = best.get_mut(*next).filter(|_| *next != from) else { continue };
            if step.steps > 0 && held.is_none_or(|(least, _)| cost < least) {
                *held = Some((cost, *at));
                open.push(Reverse((cost, *next)));
            }
        }
    }
    let mut way = Vec::new();
    let mut place = to;
    while place != from {
        let Some((_, at)) = best.get(place).copied().flatten() else { break };
        way.push(at);
        place = ends.get(at).map_or(from, |(before, _)| *before);
    }
    way
}

/// What leaves at the exit comes in at the entry.
fn node(name: &str) -> &str {
    if name == EXIT { ENTRY } else { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `from to steps`, with a `!` behind the number of those that are not safe.
    fn read(text: &'static str) -> Vec<Step<'static>> {
        let step = |line: &'static str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_safe = !words[2].ends_with('!');
            let steps = words[2].trim_end_matches('!').parse().unwrap();
            Step { from: words[0], to: words[1], steps, is_told: is_safe, is_safe }
        };
        text.split(',').map(step).collect()
    }

    fn names(told: &BTreeSet<(&str, &str)>) -> String {
        told.iter().map(|(from, to)| format!("{from}{to}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_step_of_few_is_put_on_the_least_frequent_circle() {
        let steps = read("^ a 50, a b 52, b $ 50, b a 2!");
        assert_eq!(names(&told(steps)), "^a b$", "to and fro, unknown both");
        let steps = read("^ a 60, a b 50, b c 50, c $ 48, a c 10, c b 2!");
        assert_eq!(names(&told(steps)), "^a ab ac c$", "c b c");
    }

    #[test]
    fn ways_of_few_that_go_nowhere_else_are_a_circle_by_the_exit_and_the_entry() {
        let steps = read("^ a 50, a b 50, b $ 50, ^ x 2!, x y 2!, y $ 2!");
        assert_eq!(names(&told(steps)), "^a ab b$");
        let steps = read("^ a 52, a b 50, b $ 50, a $ 2!");
        assert_eq!(names(&told(steps)), "ab b$", "back by the entry");
    }

    #[test]
    fn without_a_step_of_few_all_is_told() {
        assert_eq!(names(&told(read("^ a 5, a b 5, b $ 5"))), "^a ab b$");
        assert_eq!(told(Vec::new()), BTreeSet::new());
    }

    proptest! {
        #[test]
        fn no_screen_has_steps_of_few_on_one_side_and_nothing_unknown_on_the_other(
            flows in prop::collection::vec((prop::collection::vec(0_usize..5, 1..6), 1_i64..9), 1..12),
        ) {
            let names = ["a", "b", "c", "d", "e"];
            let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
            for (path, times) in &flows {
                let mut path: Vec<&str> = path.iter().map(|at| names[*at]).collect();
                path.dedup();
                let from = ["^"].into_iter().chain(path.iter().copied());
                for step in from.zip(path.iter().copied().chain(["$"])) {
                    *sums.entry(step).or_default() += times;
                }
            }
            let steps: Vec<Step<'_>> = sums
                .iter()
                .map(|((from, to), steps)| Step { from, to, steps: *steps, is_told: *steps >= 5, is_safe: *steps >= 5 })
                .collect();
            let known = told(steps.clone());
            let unknown: Vec<&Step<'_>> =
                steps.iter().filter(|step| !known.contains(&(step.from, step.to))).collect();
            // Any set of screens: what comes in minus what goes out is nothing but the difference of what is not known.
            for inside in 0_u32..1 << 6 {
                let places = ["^", "a", "b", "c", "d", "e"];
                let within = |name: &str| {
                    let at = places.iter().position(|place| *place == node(name)).unwrap();
                    inside & (1 << at) != 0
                };
                let into = |in_: bool| {
                    unknown.iter().filter(move |step| within(step.from) != in_ && within(step.to) == in_)
                };
                let few = |in_: bool| {
                    let mut steps = into(in_).peekable();
                    steps.peek().is_some() && steps.all(|step| !step.is_safe)
                };
                prop_assert!(!(few(true) && into(false).next().is_none()), "{unknown:?}");
                prop_assert!(!(few(false) && into(true).next().is_none()), "{unknown:?}");
            }
        }
    }
}
