//! What is found in the same sessions under two sets of rules.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Timestamp,
    incident::{Incident, Rule},
    session::SessionId,
};
use friction::derive::Derived;
use serde::Serialize;

use crate::commands::sessions::mean_score;

/// Everything that differs, and how much of it there is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comparison {
    pub(super) sessions: usize,
    /// Sessions in which an incident or the score is different.
    pub(super) affected: usize,
    /// Means over all sessions.
    pub(super) frustration: Means,
    /// Rules that find anything under either.
    pub(super) rules: BTreeMap<Rule, RuleChange>,
    /// The first incidents that are found only under what is tried.
    pub(super) gained: Vec<Example>,
    /// The first incidents that are found only under the rules of today.
    pub(super) lost: Vec<Example>,
    #[serde(skip)]
    examples: usize,
    #[serde(skip)]
    sums: (f64, f64),
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Means {
    pub(super) before: Option<f64>,
    pub(super) after: Option<f64>,
}

/// What becomes of one rule's incidents.
#[derive(Debug, Default, Serialize)]
pub(super) struct RuleChange {
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) gained: usize,
    pub(super) lost: usize,
    /// Sessions with a gain or a loss.
    pub(super) sessions: usize,
}

/// An incident that makes the difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Example {
    pub(super) at: Timestamp,
    pub(super) rule: Rule,
    pub(super) session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) screen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) element: Option<String>,
    /// Events that it is made of.
    pub(super) count: u32,
}

impl Comparison {
    /// Nothing yet; with so many examples of each kind at most.
    pub(super) fn new(examples: usize) -> Self {
        Self {
            sessions: 0,
            affected: 0,
            frustration: Means::default(),
            rules: BTreeMap::new(),
            gained: Vec::new(),
            lost: Vec::new(),
            examples,
            sums: (0.0, 0.0),
        }
    }

    /// Adds a session.
    pub(super) fn add(&mut self, before: &Derived, after: &Derived) {
        let (old, new) = (ids(before), ids(after));
        let gained = after.incidents.iter().filter(|incident| !old.contains(id(incident)));
        let lost = before.incidents.iter().filter(|incident| !new.contains(id(incident)));
        let (gained, lost): (Vec<_>, Vec<_>) = (gained.collect(), lost.collect());
        for incident in &before.incidents {
            self.rules.entry(incident.rule).or_default().before += 1;
        }
        for incident in &after.incidents {
            self.rules.entry(incident.rule).or_default().after += 1;
        }
        for incident in &gained {
            self.rules.entry(incident.rule).or_default().gained += 1;
        }
        for incident in &lost {
            self.rules.entry(incident.rule).or_default().lost += 1;
        }
        let touched: BTreeSet<Rule> =
            gained.iter().chain(&lost).map(|incident| incident.rule).collect();
        for rule in &touched {
            self.rules.entry(*rule).or_default().sessions += 1;
        }
        let scores = (before.session.frustration.score, after.session.frustration.score);
        self.sessions += 1;
        self.affected += usize::from(!touched.is_empty() || scores.0 != scores.1);
        self.sums = (self.sums.0 + scores.0, self.sums.1 + scores.1);
        keep_first(&mut self.gained, &gained, self.examples);
        keep_first(&mut self.lost, &lost, self.examples);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        let mean = |sum| mean_score(sum, self.sessions);
        self.frustration = Means { before: mean(self.sums.0), after: mean(self.sums.1) };
        for examples in [&mut self.gained, &mut self.lost] {
            examples.sort();
            examples.truncate(self.examples);
        }
    }
}

fn ids(derived: &Derived) -> BTreeSet<&str> {
    derived.incidents.iter().map(id).collect()
}

fn id(incident: &Incident) -> &str {
    &incident.incident_id
}

/// Keeps the first ones, and a few more that only the end sorts out.
fn keep_first(kept: &mut Vec<Example>, more: &[&Incident], most: usize) {
    kept.extend(more.iter().map(|incident| Example {
        at: incident.started_at,
        rule: incident.rule,
        session_id: incident.session_id.clone(),
        screen: incident.screen.clone(),
        element: incident.element.clone(),
        count: incident.count,
    }));
    if kept.len() > most.saturating_mul(2).max(SOME) {
        kept.sort();
        kept.truncate(most);
    }
}

const SOME: usize = 100;
