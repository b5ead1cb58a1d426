//! Where people who went a way went no further, so that nobody is found by subtracting: the flows of a task are a tree by
//! their first screens, in which every number is a total of what comes after it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    counting::{FLOWS, Way},
    sums::{count, mean},
    top::Variant,
};
use crate::{cells::Cell, disclosure::Actors};

/// How many stopped at a screen.
#[derive(Debug, Clone, PartialEq)]
pub struct DropOff {
    /// The screen.
    pub screen: String,
    /// Of the flows of the same task that came here on the same way, those that ended here without completing it, 0 to 1;
    /// nothing when that would tell about too few.
    pub rate: Option<f64>,
    /// Flows that came here; nothing when that would tell about too few.
    pub flows: Option<u64>,
}

/// The beginnings of the flows that are told.
pub(super) struct Stops<'v> {
    nodes: BTreeMap<Prefix<'v>, Node<'v>>,
    actors_min: usize,
}

/// A task and the first screens of a way.
type Prefix<'v> = (Option<&'v str>, &'v [String]);

/// All flows that begin in one way.
#[derive(Default)]
struct Node<'v> {
    flows: i64,
    /// The way that ends here, and whether it is told.
    ended: Option<(&'v Variant<'v>, bool)>,
    /// What would be left of these flows without everything below that is told; nothing when nothing is.
    rest: Rest,
    is_told: bool,
}

/// Flows that no number is about, but for the difference of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rest(Option<Actors>);

impl Rest {
    fn add(&mut self, more: Self) {
        self.0 = match (self.0, more.0) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (one, other) => one.or(other),
        };
    }

    /// True for nothing, and for enough.
    fn is_safe(self, actors_min: usize) -> bool {
        self.0.is_none_or(|actors| actors.at_least() >= actors_min)
    }
}

impl<'v> Stops<'v> {
    /// The beginnings of the ways in `told`, of all `variants` and `other` flows that have lost their names.
    pub(super) fn of(
        variants: &'v [Variant<'v>],
        told: &[&'v Variant<'v>],
        other: &Cell,
        actors_min: usize,
    ) -> Self {
        let mut nodes: BTreeMap<Prefix<'v>, Node<'v>> = BTreeMap::new();
        for variant in told {
            for prefix in prefixes(&variant.way) {
                nodes.entry(prefix).or_default();
            }
        }
        let ids: BTreeSet<&str> = told.iter().map(|variant| variant.id).collect();
        let is_other = other.sum(FLOWS) > 0;
        let mut outside = Rest(is_other.then(|| other.behind_all()));
        for variant in variants {
            let is_told = ids.contains(variant.id);
            let mut last = None;
            for prefix in prefixes(&variant.way) {
                let Some(node) = nodes.get_mut(&prefix) else { break };
                node.flows = node.flows.saturating_add(variant.flows());
                if prefix.1.len() == variant.way.path.len() {
                    node.ended = Some((variant, is_told));
                }
                last = Some(prefix);
            }
            if !is_told {
                let rest = Rest(Some(variant.cell.behind_all()));
                let node = last.and_then(|last| nodes.get_mut(&last));
                node.map_or(&mut outside, |node| &mut node.rest).add(rest);
            }
        }
        let mut stops = Self { nodes, actors_min };
        let rest = stops.settle();
        outside.add(rest);
        stops.shorten(outside);
        stops
    }

    /// Where people on the way of `variant` stopped, screen by screen.
    pub(super) fn on(&self, variant: &Variant<'_>) -> Vec<DropOff> {
        let nodes = (1..=variant.way.path.len())
            .filter_map(|screens| variant.way.path.get(..screens))
            .map(|path| self.nodes.get(&(variant.way.task.as_deref(), path)));
        let stop = |(screen, node): (&String, Option<&Node<'_>>)| {
            let node = node.filter(|node| node.is_told);
            DropOff {
                screen: screen.clone(),
                rate: node.and_then(|node| node.rate(self.actors_min)),
                flows: node.map(|node| count(node.flows)),
            }
        };
        variant.way.path.iter().zip(nodes).map(stop).collect()
    }

    /// Decides from the longest to the shortest beginning which are told. Answers what is left of those that are not and that
    /// no other one is the beginning of.
    fn settle(&mut self) -> Rest {
        let mut outside = Rest::default();
        let mut longest: Vec<Prefix<'v>> = self.nodes.keys().copied().collect();
        longest.sort_by_key(|(_, path)| std::cmp::Reverse(path.len()));
        for prefix in longest {
            let Some(node) = self.nodes.get_mut(&prefix) else { continue };
            node.is_told = node.rest.is_safe(self.actors_min);
            if !node.is_told {
                let rest = node.rest;
                self.above(prefix).map_or(&mut outside, |above| &mut above.rest).add(rest);
            }
        }
        outside
    }

    /// All flows are told as well: does not tell more beginnings until what is `outside` of those that are told is nothing or
    /// enough. Without any that is everything but the ways that are told, of which that is known.
    fn shorten(&mut self, mut outside: Rest) {
        while !outside.is_safe(self.actors_min) {
            let topmost = self
                .nodes
                .iter()
                .filter(|(prefix, node)| node.is_told && !self.has_told_above(**prefix));
            let smallest = topmost.min_by_key(|(prefix, node)| (node.flows, **prefix));
            let Some(prefix) = smallest.map(|(prefix, _)| *prefix) else { return };
            if let Some(node) = self.nodes.get_mut(&prefix) {
                node.is_told = false;
                outside.add(node.rest);
            }
        }
    }

    fn above(&mut self, (task, path): Prefix<'v>) -> Option<&mut Node<'v>> {
        let (_, shorter) = path.split_last()?;
        self.nodes.get_mut(&(task, shorter))
    }

    fn has_told_above(&self, (task, path): Prefix<'v>) -> bool {
        let shorter = (1..path.len()).filter_map(|screens| path.get(..screens));
        shorter
            .into_iter()
            .any(|path| self.nodes.get(&(task, path)).is_some_and(|node| node.is_told))
    }
}

impl Node<'_> {
    /// The part of the flows that ended here and completed nothing, if neither they nor those that did are too few.
    fn rate(&self, actors_min: usize) -> Option<f64> {
        match self.ended {
            None => Some(0.0),
            Some((variant, _)) if variant.lost() == 0 => Some(0.0),
            Some((variant, true)) => {
                variant.is_completion_told(actors_min).then(|| mean(variant.lost(), self.flows))
            }
            Some((_, false)) => None,
        }
    }
}

fn prefixes(way: &Way) -> impl Iterator<Item = Prefix<'_>> {
    let screens = (1..=way.path.len()).filter_map(|screens| way.path.get(..screens));
    screens.map(|path| (way.task.as_deref(), path))
}
