//! The ways that most people go, or that hurt most.

use std::collections::BTreeMap;

use super::{
    counting::{COMPLETED, DURATION_MS, ENDED, FLOWS, SESSIONS, Way},
    sums::{Sums, count, friction, mean},
};
use crate::cells::{Cell, CellKey, CellKind};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopQuestion<'a> {
    /// Least actors behind a flow that is told.
    pub actors_min: usize,
    /// Which come first.
    pub sort: FlowSort,
    /// At most so many.
    pub limit: usize,
    /// Names that somebody gave to flows, by id.
    pub names: &'a BTreeMap<String, String>,
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
        label: label(variant.id, &variant.way, asked.names),
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

/// The name somebody gave to a flow, else its task's, else where it leads.
fn label(id: &str, way: &Way, names: &BTreeMap<String, String>) -> String {
    if let Some(name) = names.get(id).or(way.task.as_ref()) {
        return name.clone();
    }
    let end = |screen: Option<&String>| screen.cloned().unwrap_or_default();
    format!("{} → {}", end(way.path.first()), end(way.path.last()))
}

struct Variant<'a> {
    id: &'a str,
    way: Way,
    cell: &'a Cell,
}

impl<'a> Variant<'a> {
    /// Nothing for a cell that does not say what it is a variant of.
    fn of(id: &'a str, cell: &'a Cell) -> Option<Self> {
        Some(Self { id, way: Way::read(cell.note.as_deref()?)?, cell })
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
        let mut came = Cell::default();
        let mut stopped = 0_i64;
        for variant in &same {
            came += variant.cell;
            if variant.way.path.len() == at + 1 {
                stopped += variant.flows() - variant.cell.sum(COMPLETED);
            }
        }
        if came.actors_at_least() < actors_min {
            break;
        }
        let flows = came.sum(FLOWS);
        stops.push(DropOff {
            screen: screen.clone(),
            rate: mean(stopped, flows),
            flows: count(flows),
        });
    }
    stops
}
