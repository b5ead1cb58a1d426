//! The ways that most people go, or that hurt most.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    counting::{self, COMPLETED, DURATION_MS, ENDED, FLOWS, LOST, SESSIONS, Way},
    stops::{DropOff, Stops},
    sums::{Sums, count, friction, mean},
};
use crate::{
    cells::{Cell, CellKey, CellKind},
    disclosure::{self, Actors, Total, may_tell},
    rules::FlowNames,
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopQuestion<'a> {
    /// Least actors behind a flow that is told.
    pub actors_min: usize,
    /// Which come first.
    pub sort: FlowSort,
    /// At most so many.
    pub limit: usize,
    /// What somebody calls flows.
    pub names: &'a FlowNames,
}

/// Which flows come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowSort {
    /// The most frequent, and of those the ones that hurt more.
    Frequency,
    /// Those where most is lost: how many × how much it hurts × how rarely it is completed.
    Impact,
}

/// Flows, and how many there are beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct TopFlows {
    /// The first of them.
    pub flows: Vec<TopFlow>,
    /// Flows in all; nothing when that would tell about too few.
    pub total: Option<u64>,
    /// Ways with fewer actors than asked for or which would tell about so few, and numbers that are left out for the same
    /// reason.
    pub suppressed: u64,
}

/// One way, by however many.
#[derive(Debug, Clone, PartialEq)]
pub struct TopFlow {
    /// 16 hexadecimal digits.
    pub id: String,
    /// The name somebody gave it, else its task, else `first → last`.
    pub label: String,
    /// The task it serves.
    pub task: Option<String>,
    /// Its screens.
    pub path: Vec<String>,
    /// How often it was gone.
    pub flows: u64,
    /// In how many sessions.
    pub sessions: u64,
    /// Its part of all flows, 0 to 1.
    pub share: f64,
    /// Flows that completed their task of all; absent without a task, and when it would tell about too few.
    pub completion_rate: Option<f64>,
    /// Mean frustration of its sessions, 0 to 1.
    pub avg_friction: f64,
    /// Mean time from its first to its last event, s.
    pub avg_duration_sec: f64,
    /// How many × how much it hurts × how rarely it is completed; without a task it never is. Nothing when its completion
    /// may not be told.
    pub impact: Option<f64>,
    /// Where people who went this far went no further.
    pub drop_off: Vec<DropOff>,
}

/// The first flows of what `cells` hold, whatever days and products they are of.
#[must_use]
pub fn top(cells: &[(CellKey, Cell)], asked: &TopQuestion<'_>) -> TopFlows {
    let mut sums = Sums::of(cells, CellKind::Variant);
    let nameless = sums.named.extract_if(.., |_, cell| Way::of_cell(cell).is_none());
    nameless.for_each(|(_, cell)| sums.other += &cell);
    let variants: Vec<Variant<'_>> =
        sums.named.iter().filter_map(|(id, cell)| Variant::of(id, cell)).collect();
    let (told, is_total) = may_be_told(&variants, &sums.other, asked.actors_min);
    let mut suppressed = variants.len() - told.len() + usize::from(!is_total);
    let mut first = told;
    first.sort_by(|a, b| a.before(b, asked.sort));
    first.truncate(asked.limit);
    let stops = Stops::of(&variants, &first, &sums.other, asked.actors_min);
    let mut flows = Vec::new();
    for variant in &first {
        let is_completion = variant.is_completion_told(asked.actors_min);
        let drop_off = stops.on(variant);
        let untold = drop_off
            .iter()
            .map(|stop| usize::from(stop.rate.is_none()) + usize::from(stop.flows.is_none()));
        suppressed += usize::from(!is_completion) + untold.sum::<usize>();
        flows.push(TopFlow {
            id: variant.id.to_owned(),
            label: label(&variant.way, asked.names),
            task: variant.way.task.clone(),
            path: variant.way.path.clone(),
            flows: count(variant.flows()),
            sessions: count(variant.cell.sum(SESSIONS)),
            share: mean(variant.flows(), sums.total),
            completion_rate: variant.completion_rate().filter(|_| is_completion),
            avg_friction: friction(variant.cell),
            avg_duration_sec: mean(variant.cell.sum(DURATION_MS), variant.flows()) / 1_000.0,
            impact: is_completion.then(|| variant.impact()),
            drop_off,
        });
    }
    TopFlows {
        flows,
        total: is_total.then(|| count(sums.total)),
        suppressed: u64::try_from(suppressed).unwrap_or(u64::MAX),
    }
}

/// The variants that may stand beside the number of all flows, and whether that may be told.
fn may_be_told<'v, 'a>(
    variants: &'v [Variant<'a>],
    other: &Cell,
    actors_min: usize,
) -> (Vec<&'v Variant<'a>>, bool) {
    let others = [(other.behind_all(), other.sum(FLOWS))];
    let all = variants.iter().map(|variant| (variant.cell.behind_all(), variant.flows()));
    let (behind, sizes): (Vec<Actors>, Vec<i64>) = all.chain(others).unzip();
    let parts = sizes.into_iter().enumerate().filter(|(_, flows)| *flows > 0).collect();
    let told = disclosure::decide(&behind, &[Total { parts }], actors_min);
    let is_total = told.totals.iter().all(|told| *told);
    let told = variants.iter().zip(&told.parts).filter(|(_, told)| **told);
    (told.map(|(variant, _)| variant).collect(), is_total)
}

/// The names that somebody gave to flows, by the steps of those that `actors_min` actors or more went.
#[must_use]
pub fn names_of_steps<'a>(
    cells: &[(CellKey, Cell)],
    actors_min: usize,
    names: &'a FlowNames,
) -> BTreeMap<(String, String), BTreeSet<&'a str>> {
    let sums = Sums::of(cells, CellKind::Variant);
    let mut named: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for (id, cell) in sums.named.iter().filter(|(_, cell)| cell.actors_at_least() >= actors_min) {
        let Some(Variant { way, .. }) = Variant::of(id, cell) else { continue };
        let Some(name) = names.of(way.task.as_deref(), &way.path) else { continue };
        for (from, to) in counting::steps(&way.path) {
            named.entry((from.into_owned(), to.into_owned())).or_default().insert(name);
        }
    }
    named
}

/// The name somebody gave to a flow, else its task's, else where it leads.
fn label(way: &Way, names: &FlowNames) -> String {
    if let Some(name) = names.of(way.task.as_deref(), &way.path).or(way.task.as_deref()) {
        return name.to_owned();
    }
    let end = |screen: Option<&String>| screen.cloned().unwrap_or_default();
    format!("{} → {}", end(way.path.first()), end(way.path.last()))
}

/// What is known of one way.
pub(super) struct Variant<'a> {
    pub(super) id: &'a str,
    pub(super) way: Way,
    pub(super) cell: &'a Cell,
}

impl<'a> Variant<'a> {
    /// Nothing for a cell that does not say what it is a variant of.
    fn of(id: &'a str, cell: &'a Cell) -> Option<Self> {
        Some(Self { id, way: Way::of_cell(cell)?, cell })
    }

    pub(super) fn flows(&self) -> i64 {
        self.cell.sum(FLOWS)
    }

    /// Flows that ended without completing a task.
    pub(super) fn lost(&self) -> i64 {
        self.flows() - self.cell.sum(COMPLETED)
    }

    fn has_task(&self) -> bool {
        self.cell.sum(ENDED) < self.flows()
    }

    /// True when nobody is found by how many of these flows completed their task.
    pub(super) fn is_completion_told(&self, actors_min: usize) -> bool {
        let lost = LOST.iter().map(|end| self.cell.behind(end));
        let lost = lost.reduce(|all, end| Some(all?.and(end?))).flatten();
        let completed = self.cell.behind(COMPLETED);
        !self.has_task()
            || may_tell(self.cell.sum(COMPLETED), completed, actors_min)
                && may_tell(self.lost(), lost, actors_min)
    }

    fn completion_rate(&self) -> Option<f64> {
        self.has_task().then(|| mean(self.cell.sum(COMPLETED), self.flows()))
    }

    fn impact(&self) -> f64 {
        let lost = 1.0 - self.completion_rate().unwrap_or_default();
        crate::score::math::float(self.flows()) * friction(self.cell) * lost
    }

    fn before(&self, other: &Self, sort: FlowSort) -> std::cmp::Ordering {
        let by_friction = || friction(other.cell).total_cmp(&friction(self.cell));
        let by_flows = || other.flows().cmp(&self.flows()).then_with(by_friction);
        let first = match sort {
            FlowSort::Frequency => by_flows(),
            FlowSort::Impact => other.impact().total_cmp(&self.impact()).then_with(by_flows),
        };
        first.then_with(|| self.id.cmp(other.id))
    }
}

#[cfg(test)]
mod tests {
    use contract::session::FlowOutcome::{Abandoned, Completed};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cells::{CellKey, OTHER},
        flow::sample::{any_sessions, counted, flow, rows, session, times, way},
        rules::RuleSet,
    };

    fn asked(sort: FlowSort, names: &FlowNames) -> TopQuestion<'_> {
        TopQuestion { actors_min: 5, sort, limit: 10, names }
    }

    fn top_of(sessions: &[Vec<contract::session::Session>], sort: FlowSort) -> TopFlows {
        top(&rows(&counted(&sessions.concat())), &asked(sort, &FlowNames::default()))
    }

    #[test]
    fn the_most_frequent_come_first_and_of_equals_those_that_hurt_more() {
        let found = top_of(
            &[
                times(6, 0.1, way("/a /b")),
                times(8, 0.0, way("/a /c")),
                times(6, 0.9, way("/a /d")),
            ],
            FlowSort::Frequency,
        );
        let labels: Vec<_> = found.flows.iter().map(|flow| flow.label.as_str()).collect();
        assert_eq!(labels, ["/a → /c", "/a → /d", "/a → /b"]);
        assert_eq!((found.total, found.suppressed), (Some(20), 0));
        assert_eq!((found.flows[0].flows, found.flows[0].share), (8, 0.4));
        assert_eq!((found.flows[1].avg_friction, found.flows[1].avg_duration_sec), (0.9, 1.0));
    }

    #[test]
    fn a_way_of_four_actors_is_counted_and_not_told_and_takes_the_smallest_other_with_it() {
        let mut sessions = times(4, 0.0, way("/a /b"));
        sessions.extend(times(6, 0.0, way("/a /c")));
        sessions.extend(times(10, 0.0, way("/a /d")));
        let found = top_of(&[sessions], FlowSort::Frequency);
        assert_eq!((found.flows.len(), found.suppressed, found.total), (1, 2, Some(20)));
        assert_eq!(found.flows[0].share, 0.5);
    }

    #[test]
    fn ways_of_few_who_are_enough_together_take_nothing_with_them() {
        let mut sessions = times(3, 0.0, way("/a /b"));
        sessions.extend(times(3, 0.0, way("/b /c")));
        sessions.extend(times(6, 0.0, way("/x /c")));
        let found = top_of(&[sessions], FlowSort::Frequency);
        assert_eq!((found.flows.len(), found.suppressed, found.total), (1, 2, Some(12)));
    }

    #[test]
    fn one_actor_who_comes_back_is_still_one() {
        let session = session(1, 0.0, vec![way("/a /b")]);
        let mut cells = crate::cells::Cells::new();
        (0..100).for_each(|_| crate::flow::contribute(&session, 3, &mut cells));
        let found = top(&rows(&cells), &asked(FlowSort::Frequency, &FlowNames::default()));
        assert_eq!((found.flows.len(), found.suppressed, found.total), (0, 2, None));
    }

    #[test]
    fn impact_puts_first_where_most_is_lost() {
        let task = |outcome, screens| flow(Some("pay"), outcome, screens);
        let found = top_of(
            &[
                times(30, 0.5, task(Completed, "/a /b")),
                times(5, 0.5, task(Completed, "/a /c")),
                times(5, 0.5, task(Abandoned, "/a /c")),
                times(6, 0.2, way("/x /y")),
            ],
            FlowSort::Impact,
        );
        let told: Vec<_> =
            found.flows.iter().map(|flow| (flow.label.as_str(), flow.completion_rate)).collect();
        assert_eq!(told, [("pay", Some(0.5)), ("/x → /y", None), ("pay", Some(1.0))]);
        let impacts: Vec<_> = found.flows.iter().filter_map(|flow| flow.impact).collect();
        assert!((impacts[0] - 2.5).abs() < 1e-9 && (impacts[1] - 1.2).abs() < 1e-9);
        assert_eq!(impacts[2], 0.0);
    }

    #[test]
    fn drop_off_is_of_those_who_came_on_the_same_way_for_the_same_task() {
        let task = |outcome, screens| flow(Some("pay"), outcome, screens);
        let found = top_of(
            &[
                times(10, 0.0, task(Completed, "/a /b /c")),
                times(6, 0.0, task(Abandoned, "/a /b")),
                times(5, 0.0, task(Abandoned, "/a /b /c")),
                times(20, 0.0, task(Abandoned, "/a /x")),
                times(50, 0.0, task(Abandoned, "/z /b /c")),
                times(50, 0.0, way("/a /b")),
            ],
            FlowSort::Frequency,
        );
        let pay = found.flows.iter().find(|flow| flow.path == ["/a", "/b", "/c"]).unwrap();
        let rates: Vec<_> =
            pay.drop_off.iter().map(|stop| (stop.screen.as_str(), stop.flows, stop.rate)).collect();
        let expected = [("/a", 41, 0.0), ("/b", 21, 6.0 / 21.0), ("/c", 15, 5.0 / 15.0)];
        assert_eq!(rates, expected.map(|(screen, flows, rate)| (screen, Some(flows), Some(rate))));
    }

    #[test]
    fn where_few_went_another_way_it_is_not_told_how_many_came() {
        let stops = |others: usize| {
            let found = top_of(
                &[
                    times(20, 0.0, way("/a /b /c")),
                    times(8, 0.0, way("/z /y")),
                    times(others, 0.0, way("/a /x")),
                ],
                FlowSort::Frequency,
            );
            let stops = found.flows[0].drop_off.clone();
            let told = stops.into_iter().map(|stop| (stop.flows, stop.rate)).collect::<Vec<_>>();
            (told, found.suppressed)
        };
        let (untold, beyond) = ((None, None), (Some(20), Some(0.0)));
        // Too few take the smallest other way with them; so it is of enough who is not told, but not of those at /a.
        assert_eq!(stops(4), (vec![untold, beyond, (Some(20), Some(1.0))], 4));
        assert_eq!(stops(5).0[0], (Some(25), Some(0.0)));
        assert_eq!(stops(0), (vec![beyond, beyond, (Some(20), Some(1.0))], 0));
    }

    #[test]
    fn how_few_completed_a_task_or_did_not_is_not_told() {
        let of = |completed, abandoned| {
            let task = |outcome| flow(Some("pay"), outcome, "/a /b");
            let mut found = top_of(
                &[times(completed, 0.5, task(Completed)), times(abandoned, 0.5, task(Abandoned))],
                FlowSort::Frequency,
            );
            let flow = found.flows.remove(0);
            assert_eq!(flow.completion_rate.is_some(), flow.impact.is_some());
            (flow.completion_rate, flow.drop_off[1].rate, found.suppressed)
        };
        assert_eq!(of(5, 5), (Some(0.5), Some(0.5), 0));
        assert_eq!(of(10, 0), (Some(1.0), Some(0.0), 0));
        assert_eq!(of(0, 10), (Some(0.0), Some(1.0), 0));
        assert_eq!(of(10, 4), (None, None, 2));
        assert_eq!(of(1, 10), (None, None, 2));
    }

    #[test]
    fn somebodys_name_for_a_flow_goes_before_its_tasks() {
        let cells = rows(&counted(&times(5, 0.0, flow(Some("pay"), Completed, "/a /b"))));
        let said = serde_json::json!({
            "version": 2, "flows": [{ "name": "Express checkout", "task": "pay", "path": ["/a", "/b"] }],
        });
        let names = RuleSet::parse(&said.to_string()).unwrap().flow_names(None);
        let found = top(&cells, &asked(FlowSort::Frequency, &names));
        assert_eq!(found.flows[0].label, "Express checkout");
    }

    #[test]
    fn steps_are_called_like_the_flows_that_take_them_if_enough_actors_do() {
        let said = serde_json::json!({ "version": 2, "flows": [
            { "name": "Pay", "path": ["/a", "/b", "**"] }, { "name": "Few", "path": ["/x", "/b"] },
        ]});
        let names = RuleSet::parse(&said.to_string()).unwrap().flow_names(None);
        let mut sessions = times(5, 0.0, way("/a /b"));
        sessions.extend(times(5, 0.0, way("/a /b /c")));
        sessions.extend(times(5, 0.0, way("/z /b")));
        sessions.extend(times(4, 0.0, way("/x /b")));
        let cells = rows(&counted(&sessions));
        let named = names_of_steps(&cells, 5, &names);
        let steps: Vec<_> = named.keys().map(|(from, to)| format!("{from} {to}")).collect();
        assert_eq!(steps, ["/a /b", "/b $", "/b /c", "/c $", "^ /a"]);
        assert!(named.values().all(|names| *names == BTreeSet::from(["Pay"])));
        assert_eq!(names_of_steps(&cells, 4, &names).len(), 7);
    }

    #[test]
    fn days_are_one_and_what_has_no_name_counts_in_the_whole() {
        let mut sessions = times(3, 0.0, way("/a /b"));
        sessions.extend(vec![session(2, 0.0, vec![way("/a /b")]); 3]);
        let mut cells = rows(&counted(&sessions));
        let mut other = Cell::default();
        other.add(FLOWS, 6);
        (0..6).for_each(|slot| other.see(slot));
        let (key, _) = cells[0].clone();
        cells.push((CellKey { name: OTHER.to_owned(), kind: CellKind::Variant, ..key }, other));
        let found = top(&cells, &asked(FlowSort::Frequency, &FlowNames::default()));
        assert_eq!((found.flows.len(), found.flows[0].flows, found.flows[0].share), (1, 6, 0.5));
        assert_eq!((found.total, found.suppressed), (Some(12), 0));
    }

    #[test]
    fn of_nothing_there_is_nothing() {
        let found = top(&[], &asked(FlowSort::Impact, &FlowNames::default()));
        assert_eq!(found, TopFlows { flows: Vec::new(), total: Some(0), suppressed: 0 });
    }

    /// The actors of the flows that are `of` something.
    fn actors(
        sessions: &[contract::session::Session],
        of: impl Fn(&contract::session::Flow) -> bool,
    ) -> usize {
        // As many as there are sessions: each is of an actor of its own.
        sessions.iter().filter(|session| session.flows.iter().any(&of)).count()
    }

    proptest! {
        #[test]
        fn nobody_is_found_by_subtracting_flows(sessions in any_sessions(), limit in 0..9_usize) {
            let least = 3;
            let names = FlowNames::default();
            let asked = TopQuestion { actors_min: least, limit, ..asked(FlowSort::Frequency, &names) };
            let found = top(&rows(&counted(&sessions)), &asked);
            let is_few = |actors: usize| (1..least).contains(&actors);
            let way = |flow: &TopFlow| Way { task: flow.task.clone(), path: flow.path.clone() };
            let told: BTreeSet<Way> = found.flows.iter().map(way).collect();
            let mut stops: BTreeSet<Way> = BTreeSet::new();
            for flow in &found.flows {
                for (at, stop) in flow.drop_off.iter().enumerate() {
                    let prefix = Way { path: flow.path[..=at].to_vec(), ..way(flow) };
                    let begins = |other: &contract::session::Flow| {
                        other.task == prefix.task && other.path.starts_with(&prefix.path)
                    };
                    if let Some(rate) = stop.rate {
                        let stopped = |other: &contract::session::Flow| {
                            begins(other) && other.path == prefix.path && other.outcome != Completed
                        };
                        prop_assert!(!is_few(actors(&sessions, stopped)), "{rate}");
                        prop_assert!(!is_few(actors(&sessions, |other| begins(other) && !stopped(other))));
                    }
                    if stop.flows.is_some() {
                        stops.insert(prefix);
                    }
                }
                let of = |flow: &contract::session::Flow| told.contains(&Way::of(flow)) && Way::of(flow) == way(&found.flows[0]);
                prop_assert!(actors(&sessions, of) >= least);
                if flow.completion_rate.is_some() {
                    let done = |other: &contract::session::Flow| Way::of(other) == way(flow) && other.outcome == Completed;
                    let lost = |other: &contract::session::Flow| Way::of(other) == way(flow) && other.outcome != Completed;
                    prop_assert!(!is_few(actors(&sessions, done)) && !is_few(actors(&sessions, lost)));
                }
            }
            // Each total, and what is left of it without all ways that are told, without all longer beginnings that are, and
            // without those and the ways that they leave.
            let total = found.total.map(|_| Way { task: None, path: Vec::new() });
            for whole in total.iter().chain(&stops) {
                let is_all = whole.path.is_empty();
                let within = |flow: &contract::session::Flow| {
                    is_all || flow.task == whole.task && flow.path.starts_with(&whole.path)
                };
                let is_longer = |flow: &contract::session::Flow| stops.iter().any(|stop| {
                    let is_below = is_all || stop.path.len() > whole.path.len();
                    is_below && stop.task == flow.task && flow.path.starts_with(&stop.path)
                });
                let is_told = |flow: &contract::session::Flow| told.contains(&Way::of(flow));
                for left in [
                    actors(&sessions, |flow| within(flow) && !is_told(flow)),
                    actors(&sessions, |flow| within(flow) && !is_longer(flow)),
                    actors(&sessions, |flow| within(flow) && !is_longer(flow) && !is_told(flow)),
                ] {
                    prop_assert!(!is_few(left), "{whole:?}: {left} in {found:?}");
                }
            }
        }

        #[test]
        fn shares_and_rates_are_parts_and_the_limit_holds(sessions in any_sessions(), limit in 0..6_usize) {
            let cells = rows(&counted(&sessions));
            for sort in [FlowSort::Frequency, FlowSort::Impact] {
                let names = FlowNames::default();
                let asked = TopQuestion { actors_min: 2, limit, ..asked(sort, &names) };
                let found = top(&cells, &asked);
                let all: usize = sessions.iter().map(|session| session.flows.len()).sum();
                prop_assert!(found.flows.len() <= limit);
                prop_assert!(found.total.is_none_or(|total| total == u64::try_from(all).unwrap()));
                for flow in &found.flows {
                    let rates = flow.drop_off.iter().filter_map(|stop| stop.rate);
                    let parts = rates.chain([flow.share, flow.avg_friction]).chain(flow.completion_rate);
                    prop_assert!(parts.into_iter().all(|part| (0.0..=1.0).contains(&part)));
                    prop_assert!(flow.sessions >= 2 && flow.sessions <= flow.flows);
                    prop_assert_eq!(flow.drop_off.len(), flow.path.len());
                }
            }
        }
    }
}
