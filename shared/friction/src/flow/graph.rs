//! From which screen to which one people go.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    circles::{self, Step},
    counting::{FLOWS, GAP_MS, SESSIONS},
    sums::{Sums, count, friction, mean},
};
use crate::{
    cells::{Cell, CellKey, CellKind, ENTRY, EXIT, edge_of},
    disclosure::{self, Actors, Total},
    score::math::float,
};

/// Steps between screens, and how many are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The steps, the most frequent first.
    pub edges: Vec<GraphEdge>,
    /// Steps in all; nothing when that would tell about too few.
    pub total: Option<u64>,
    /// Edges that mostly go the other way.
    pub hidden: u64,
    /// Edges with fewer actors than asked for, and numbers that would tell about so few.
    pub suppressed: u64,
}

/// Steps from one screen to another.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphEdge {
    /// From; [`ENTRY`] for the beginning.
    pub from: String,
    /// To; [`EXIT`] for the end.
    pub to: String,
    /// How often; nothing when that would tell about too few.
    pub steps: Option<u64>,
    /// In how many sessions; nothing when how often is not told.
    pub sessions: Option<u64>,
    /// `(|a>b| − |b>a|) / (|a>b| + |b>a| + 1)`: near 1, one leads to the other; near 0, they go to and fro. Nothing when how
    /// often one of them was gone is not told.
    pub dependency: Option<f64>,
    /// Mean time on the first screen until then, s; absent at the entry and the exit.
    pub avg_gap_sec: Option<f64>,
    /// Mean frustration of the sessions, 0 to 1.
    pub avg_friction: f64,
    /// People go to and fro here more than nearly anywhere.
    pub backtrack: bool,
}

/// The steps of what `cells` hold, whatever days and products they are of. Steps that mostly go the other way are left out,
/// except between the five pairs of screens with the most to and fro: loops are friction, not noise.
#[must_use]
pub fn graph(cells: &[(CellKey, Cell)], actors_min: usize) -> Graph {
    let sums = Sums::of(cells, CellKind::Edge);
    let edges: Edges<'_> =
        sums.named.iter().filter_map(|(name, cell)| Some((edge_of(name)?, cell))).collect();
    let told = |cell: &Cell| cell.actors_at_least() >= actors_min;
    let loops = most_to_and_fro(&edges, told);
    let (counted, is_total) = may_be_counted(&edges, &sums.other, actors_min);
    let mut graph = Graph {
        edges: Vec::new(),
        total: is_total.then(|| count(sums.total)),
        hidden: 0,
        suppressed: u64::from(!is_total),
    };
    let mut found: Vec<(i64, GraphEdge)> = Vec::new();
    for ((from, to), cell) in &edges {
        let backtrack = loops.contains(&pair(from, to));
        let dependency = dependency(steps(&edges, from, to), steps(&edges, to, from));
        if !told(cell) {
            graph.suppressed += 1;
        } else if dependency < DEPENDENCY_MIN && !backtrack {
            graph.hidden += 1;
        } else {
            let is_counted = counted.contains(&(*from, *to));
            let back = (*to, *from);
            let is_compared = is_counted && (counted.contains(&back) || !edges.contains_key(&back));
            graph.suppressed += u64::from(!is_counted) + u64::from(!is_compared);
            let edge = GraphEdge {
                steps: is_counted.then(|| count(cell.sum(FLOWS))),
                sessions: is_counted.then(|| count(cell.sum(SESSIONS))),
                dependency: is_compared.then_some(dependency),
                backtrack,
                ..edge((from, to), cell)
            };
            found.push((cell.sum(FLOWS), edge));
        }
    }
    found.sort_by_key(|(steps, _)| std::cmp::Reverse(*steps));
    graph.edges = found.into_iter().map(|(_, edge)| edge).collect();
    graph
}

type Edges<'a> = BTreeMap<(&'a str, &'a str), &'a Cell>;

/// Edges of which it may be told how often they were gone, and whether it may be told of all together.
fn may_be_counted<'a>(
    edges: &Edges<'a>,
    other: &Cell,
    actors_min: usize,
) -> (BTreeSet<(&'a str, &'a str)>, bool) {
    let others = [(other.behind_all(), other.sum(FLOWS))];
    let all = edges.values().map(|cell| (cell.behind_all(), cell.sum(FLOWS)));
    let (behind, sizes): (Vec<Actors>, Vec<i64>) = all.chain(others).unzip();
    let parts = sizes.into_iter().enumerate().filter(|(_, steps)| *steps > 0).collect();
    let told = disclosure::decide(&behind, &[Total { parts }], actors_min);
    let steps = edges.iter().zip(&told.parts).map(|(((from, to), cell), is_told)| Step {
        from,
        to,
        steps: cell.sum(FLOWS),
        is_told: *is_told,
        is_safe: cell.actors_at_least() >= actors_min,
    });
    (circles::told(steps.collect()), told.totals.iter().all(|told| *told))
}

fn edge((from, to): (&str, &str), cell: &Cell) -> GraphEdge {
    let inside = from != ENTRY && to != EXIT;
    GraphEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        steps: None,
        sessions: None,
        dependency: None,
        avg_gap_sec: inside.then(|| mean(cell.sum(GAP_MS), cell.sum(FLOWS)) / 1_000.0),
        avg_friction: friction(cell),
        backtrack: false,
    }
}

/// How much more often one leads to the other than the other way round, −1 to 1.
fn dependency(there: i64, back: i64) -> f64 {
    float(there - back) / float(there + back + 1)
}

/// The pairs of screens between which both ways are gone most often, by the rarer of the two.
fn most_to_and_fro<'a>(
    edges: &Edges<'a>,
    told: impl Fn(&Cell) -> bool,
) -> BTreeSet<(&'a str, &'a str)> {
    let mut pairs: Vec<(i64, (&str, &str))> = edges
        .iter()
        .filter(|((from, to), cell)| from < to && told(cell))
        .filter_map(|((from, to), cell)| {
            let back = edges.get(&(*to, *from)).filter(|back| told(back))?;
            Some((cell.sum(FLOWS).min(back.sum(FLOWS)), (*from, *to)))
        })
        .collect();
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    pairs.into_iter().take(LOOPS_MAX).map(|(_, pair)| pair).collect()
}

fn pair<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    (a.min(b), a.max(b))
}

fn steps(edges: &Edges<'_>, from: &str, to: &str) -> i64 {
    edges.get(&(from, to)).map(|cell| cell.sum(FLOWS)).unwrap_or_default()
}

/// Steps from one screen to another of a lower dependency mostly go the other way, or to and fro.
pub const DEPENDENCY_MIN: f64 = 0.5;
const LOOPS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::sample::{any_sessions, counted, rows, times, way};

    fn names(graph: &Graph) -> Vec<String> {
        graph.edges.iter().map(|edge| format!("{} {}", edge.from, edge.to)).collect()
    }

    #[test]
    fn dependency_is_the_one_that_is_written_down() {
        assert_eq!(dependency(9, 0), 0.9);
        assert_eq!(dependency(1, 0), 0.5);
        assert_eq!(dependency(6, 3), 0.3);
        assert_eq!(dependency(3, 6), -0.3);
    }

    #[test]
    fn steps_that_mostly_go_the_other_way_are_hidden() {
        let mut sessions = Vec::new();
        // Six pairs of screens with to and fro: the rarest one is noise.
        for (pair, count) in (0..6).zip([11, 10, 9, 8, 7, 6]) {
            sessions.extend(times(count, 0.0, way(&format!("/s{pair} /t{pair} /s{pair}"))));
        }
        let graph = graph(&rows(&counted(&sessions)), 5);
        let loops = graph.edges.iter().filter(|edge| edge.backtrack).count();
        assert_eq!((loops, graph.hidden, graph.suppressed), (10, 2, 0));
        assert!(!names(&graph).contains(&"/s5 /t5".to_owned()));
        assert!(names(&graph).contains(&"^ /s5".to_owned()));
        assert_eq!(graph.total, Some(51 * 4));
    }

    #[test]
    fn edges_say_how_long_and_how_bad_and_the_entry_takes_no_time() {
        let graph = graph(&rows(&counted(&times(5, 0.5, way("/a /b /c")))), 5);
        assert_eq!(names(&graph), ["/a /b", "/b /c", "/c $", "^ /a"]);
        let gaps: Vec<_> = graph.edges.iter().map(|edge| edge.avg_gap_sec).collect();
        assert_eq!(gaps, [Some(1.0), Some(1.0), None, None]);
        assert_eq!((graph.edges[0].avg_friction, graph.edges[0].steps), (0.5, Some(5)));
    }

    #[test]
    fn edges_of_four_actors_are_counted_and_not_told_and_cannot_be_found_by_subtracting() {
        let mut sessions = times(4, 0.0, way("/a /b"));
        sessions.extend(times(5, 0.0, way("/a /c")));
        let graph = graph(&rows(&counted(&sessions)), 5);
        assert_eq!(names(&graph), ["^ /a", "/a /c", "/c $"]);
        // All steps, less the others, would be those of the four; and so would be those into /a, less the one out of it.
        let steps: Vec<_> = graph.edges.iter().map(|edge| edge.steps).collect();
        assert_eq!((steps, graph.total), (vec![None, Some(5), None], Some(27)));
        assert_eq!(graph.suppressed, 2 + 2 * 2, "two steps, and two numbers and what they compare");
    }

    #[test]
    fn of_four_actors_nothing_is_told() {
        let graph = graph(&rows(&counted(&times(4, 0.0, way("/a /b")))), 5);
        assert_eq!((graph.edges.len(), graph.total, graph.suppressed), (0, None, 4));
    }

    #[test]
    fn a_way_back_of_few_is_not_told_by_how_much_the_way_there_is_like_one() {
        let mut sessions = times(20, 0.0, way("/a /b /c"));
        sessions.extend(times(2, 0.0, way("/b /a")));
        let graph = graph(&rows(&counted(&sessions)), 5);
        let there = graph.edges.iter().find(|edge| edge.from == "/a" && edge.to == "/b").unwrap();
        assert_eq!(there.dependency, None);
    }

    proptest! {
        #[test]
        fn nobody_is_found_by_subtracting_steps(sessions in any_sessions()) {
            let cells = rows(&counted(&sessions));
            let graph = graph(&cells, 3);
            let untold: Vec<(&CellKey, Actors)> = cells
                .iter()
                .filter(|(key, _)| key.kind == CellKind::Edge)
                .filter(|(key, _)| !graph.edges.iter().any(|edge| {
                    edge.steps.is_some() && edge_of(&key.name) == Some((&edge.from, &edge.to))
                }))
                .map(|(key, cell)| (key, cell.behind_all()))
                .collect();
            let behind = |steps: &[&(&CellKey, Actors)]| {
                steps.iter().fold(Actors::default(), |all, (_, actors)| all.and(*actors)).at_least()
            };
            let all: Vec<_> = untold.iter().collect();
            prop_assert!(graph.total.is_none() || all.is_empty() || behind(&all) >= 3);
            for screen in ["^", "a", "b", "c"] {
                let is = |name: &str| name == screen || screen == "^" && name == "$";
                let (into, out): (Vec<_>, Vec<_>) = (
                    untold.iter().filter(|(key, _)| is(edge_of(&key.name).unwrap().1)).collect(),
                    untold.iter().filter(|(key, _)| is(edge_of(&key.name).unwrap().0)).collect(),
                );
                // What comes in is what goes out: where one side is known, the other is.
                prop_assert!(!out.is_empty() || into.is_empty() || behind(&into) >= 3, "{screen}");
                prop_assert!(!into.is_empty() || out.is_empty() || behind(&out) >= 3, "{screen}");
            }
        }

        #[test]
        fn every_edge_is_told_or_counted_among_what_is_not(sessions in any_sessions()) {
            let cells = rows(&counted(&sessions));
            let graph = graph(&cells, 3);
            let all: BTreeSet<_> =
                cells.iter().filter(|(key, _)| key.kind == CellKind::Edge).map(|(key, _)| &key.name).collect();
            let told = u64::try_from(graph.edges.len()).unwrap();
            let untold = graph.edges.iter().map(|edge| {
                u64::from(edge.steps.is_none()) + u64::from(edge.dependency.is_none())
            });
            let numbers = untold.sum::<u64>() + u64::from(graph.total.is_none());
            prop_assert_eq!(
                told + graph.hidden + graph.suppressed,
                u64::try_from(all.len()).unwrap() + numbers
            );
            for edge in &graph.edges {
                prop_assert!(edge.dependency.is_none_or(|dependency| dependency >= 0.5) || edge.backtrack);
                prop_assert!(edge.sessions.is_none_or(|sessions| sessions >= 3));
                prop_assert_eq!(edge.sessions.is_none(), edge.steps.is_none());
            }
        }
    }
}
