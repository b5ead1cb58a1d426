//! The ways that most people go, or that hurt most.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    counting::{self, COMPLETED, DURATION_MS, ENDED, FLOWS, SESSIONS, Way},
    sums::{Sums, count, friction, mean},
};
use crate::{
    cells::{Cell, CellKey, CellKind},
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
    /// Flows in all.
    pub total: u64,
    /// Ways with fewer actors than asked for.
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
    /// Flows that completed their task of all; absent without a task.
    pub completion_rate: Option<f64>,
    /// Mean frustration of its sessions, 0 to 1.
    pub avg_friction: f64,
    /// Mean time from its first to its last event, s.
    pub avg_duration_sec: f64,
    /// How many × how much it hurts × how rarely it is completed; without a task it never is.
    pub impact: f64,
    /// Where people who went this far went no further.
    pub drop_off: Vec<DropOff>,
}

/// How many stopped at a screen.
#[derive(Debug, Clone, PartialEq)]
pub struct DropOff {
    /// The screen.
    pub screen: String,
    /// Of the flows of the same task that came here on the same way, those that ended here without completing it, 0 to 1.
    pub rate: f64,
    /// Flows that came here.
    pub flows: u64,
}

/// The first flows of what `cells` hold, whatever days and products they are of.
#[must_use]
pub fn top(cells: &[(CellKey, Cell)], asked: &TopQuestion<'_>) -> TopFlows {
    let sums = Sums::of(cells, CellKind::Variant);
    let variants: Vec<Variant<'_>> =
        sums.named.iter().filter_map(|(id, cell)| Variant::of(id, cell)).collect();
    let mut told: Vec<&Variant<'_>> = variants
        .iter()
        .filter(|variant| variant.cell.actors_at_least() >= asked.actors_min)
        .collect();
    let suppressed = variants.len() - told.len();
    told.sort_by(|a, b| a.before(b, asked.sort));
    let tell = |variant: &&Variant<'_>| TopFlow {
        id: variant.id.to_owned(),
        label: label(&variant.way, asked.names),
        task: variant.way.task.clone(),
        path: variant.way.path.clone(),
        flows: count(variant.flows()),
        sessions: count(variant.cell.sum(SESSIONS)),
        share: mean(variant.flows(), sums.total),
        completion_rate: variant.completion_rate(),
        avg_friction: friction(variant.cell),
        avg_duration_sec: mean(variant.cell.sum(DURATION_MS), variant.flows()) / 1_000.0,
        impact: variant.impact(),
        drop_off: drop_off(&variant.way, &variants, asked.actors_min),
    };
    TopFlows {
        flows: told.iter().take(asked.limit).map(tell).collect(),
        total: count(sums.total),
        suppressed: u64::try_from(suppressed).unwrap_or(u64::MAX),
    }
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

struct Variant<'a> {
    id: &'a str,
    way: Way,
    cell: &'a Cell,
    /// One bit for each slot of actors that is in it.
    actors: u64,
}

impl<'a> Variant<'a> {
    /// Nothing for a cell that does not say what it is a variant of.
    fn of(id: &'a str, cell: &'a Cell) -> Option<Self> {
        let here = cell.actors.iter().filter(|(_, sessions)| **sessions > 0);
        let bits = here.filter_map(|(slot, _)| 1_u64.checked_shl((*slot).into()));
        let actors = bits.fold(0, |actors, bit| actors | bit);
        Some(Self { id, way: Way::read(cell.note.as_deref()?)?, cell, actors })
    }

    fn flows(&self) -> i64 {
        self.cell.sum(FLOWS)
    }

    fn completion_rate(&self) -> Option<f64> {
        let has_task = self.cell.sum(ENDED) < self.flows();
        has_task.then(|| mean(self.cell.sum(COMPLETED), self.flows()))
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

/// Where flows on the way stopped, screen by screen, as far as enough actors came.
fn drop_off(way: &Way, variants: &[Variant<'_>], actors_min: usize) -> Vec<DropOff> {
    let mut same: Vec<&Variant<'_>> =
        variants.iter().filter(|variant| variant.way.task == way.task).collect();
    let mut stops = Vec::new();
    for (at, screen) in way.path.iter().enumerate() {
        same.retain(|variant| variant.way.path.get(at) == Some(screen));
        let actors = same.iter().fold(0_u64, |actors, variant| actors | variant.actors);
        if usize::try_from(actors.count_ones()).unwrap_or_default() < actors_min {
            break;
        }
        let flows = same.iter().map(|variant| variant.flows()).sum();
        let ended = same.iter().filter(|variant| variant.way.path.len() == at + 1);
        let stopped = ended.map(|variant| variant.flows() - variant.cell.sum(COMPLETED)).sum();
        stops.push(DropOff {
            screen: screen.clone(),
            rate: mean(stopped, flows),
            flows: count(flows),
        });
    }
    stops
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
        assert_eq!((found.total, found.suppressed), (20, 0));
        assert_eq!((found.flows[0].flows, found.flows[0].share), (8, 0.4));
        assert_eq!((found.flows[1].avg_friction, found.flows[1].avg_duration_sec), (0.9, 1.0));
    }

    #[test]
    fn a_way_of_four_actors_is_counted_and_not_told() {
        let mut sessions = times(4, 0.0, way("/a /b"));
        sessions.extend(times(6, 0.0, way("/a /c")));
        let found = top_of(&[sessions], FlowSort::Frequency);
        assert_eq!((found.flows.len(), found.suppressed, found.total), (1, 1, 10));
        assert_eq!(found.flows[0].share, 0.6);
    }

    #[test]
    fn one_actor_who_comes_back_is_still_one() {
        let session = session(1, 0.0, vec![way("/a /b")]);
        let mut cells = crate::cells::Cells::new();
        (0..100).for_each(|_| crate::flow::contribute(&session, 3, &mut cells));
        let found = top(&rows(&cells), &asked(FlowSort::Frequency, &FlowNames::default()));
        assert_eq!((found.flows.len(), found.suppressed, found.total), (0, 1, 100));
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
        let impacts: Vec<_> = found.flows.iter().map(|flow| flow.impact).collect();
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
                times(4, 0.0, task(Abandoned, "/a /b /c")),
                times(20, 0.0, task(Abandoned, "/a /x")),
                times(50, 0.0, task(Abandoned, "/z /b /c")),
                times(50, 0.0, way("/a /b")),
            ],
            FlowSort::Frequency,
        );
        let pay = found.flows.iter().find(|flow| flow.path == ["/a", "/b", "/c"]).unwrap();
        let rates: Vec<_> =
            pay.drop_off.iter().map(|stop| (stop.screen.as_str(), stop.flows, stop.rate)).collect();
        assert_eq!(rates, [("/a", 40, 0.0), ("/b", 20, 0.3), ("/c", 14, 4.0 / 14.0)]);
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
        let (key, _) = cells[0].clone();
        cells.push((CellKey { name: OTHER.to_owned(), kind: CellKind::Variant, ..key }, other));
        let found = top(&cells, &asked(FlowSort::Frequency, &FlowNames::default()));
        assert_eq!((found.flows.len(), found.flows[0].flows, found.flows[0].share), (1, 6, 0.5));
        assert_eq!((found.total, found.suppressed), (12, 0));
    }

    #[test]
    fn of_nothing_there_is_nothing() {
        let found = top(&[], &asked(FlowSort::Impact, &FlowNames::default()));
        assert_eq!(found, TopFlows { flows: Vec::new(), total: 0, suppressed: 0 });
    }

    proptest! {
        #[test]
        fn shares_and_rates_are_parts_and_the_limit_holds(sessions in any_sessions(), limit in 0..6_usize) {
            let cells = rows(&counted(&sessions));
            for sort in [FlowSort::Frequency, FlowSort::Impact] {
                let names = FlowNames::default();
                let asked = TopQuestion { actors_min: 2, limit, ..asked(sort, &names) };
                let found = top(&cells, &asked);
                let all: usize = sessions.iter().map(|session| session.flows.len()).sum();
                prop_assert!(found.flows.len() <= limit);
                prop_assert_eq!(found.total, u64::try_from(all).unwrap());
                for flow in &found.flows {
                    let rates = flow.drop_off.iter().map(|stop| stop.rate);
                    let parts = rates.chain([flow.share, flow.avg_friction]).chain(flow.completion_rate);
                    prop_assert!(parts.into_iter().all(|part| (0.0..=1.0).contains(&part)));
                    prop_assert!(flow.sessions >= 2 && flow.sessions <= flow.flows);
                    prop_assert_eq!(flow.drop_off.len(), flow.path.len());
                }
            }
        }
    }
}
