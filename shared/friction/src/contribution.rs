//! What a closed session adds to the cells of the day on which it began.

use std::collections::BTreeSet;

use contract::{
    incident::Rule,
    session::{FlowOutcome, Session, TaskRun, Tier},
};

use crate::{
    baseline,
    cells::{CellKey, CellKind, Cells},
    change::{SessionState, StoredSession},
    flow,
};

/// What `stored` adds; nothing unless it is closed.
#[must_use]
pub fn contribution(stored: &StoredSession) -> Cells {
    let mut cells = Cells::new();
    if stored.state != SessionState::Closed {
        return cells;
    }
    let mut adder = Adder { session: &stored.session, slot: stored.actor_slot, cells: &mut cells };
    adder.overview();
    adder.screens();
    adder.tasks();
    adder.pillars_and_rules();
    flow::contribute(&stored.session, stored.actor_slot, &mut cells);
    cells
}

/// The key of a session's cell.
#[must_use]
pub fn key(session: &Session, kind: CellKind, name: &str) -> CellKey {
    CellKey {
        org: session.org_id.clone(),
        product: session.product_id.clone(),
        day: session.started_at.day(),
        kind,
        name: name.to_owned(),
    }
}

/// A score in millionths.
#[must_use]
#[expect(clippy::as_conversions, reason = "a score is between 0 and 1")]
pub fn micro(score: f64) -> i64 {
    (score.clamp(0.0, 1.0) * 1e6).round() as i64
}

/// The sum's name of the histogram bucket of a frustration score: twenty of 0.05 each.
#[must_use]
pub fn bucket(score: f64) -> String {
    format!("f{:02}", (micro(score) / 50_000).min(19))
}

struct Adder<'a> {
    session: &'a Session,
    slot: u8,
    cells: &'a mut Cells,
}

impl Adder<'_> {
    fn overview(&mut self) {
        let session = self.session;
        let (metrics, frustration) = (&session.metrics, &session.frustration);
        let mut sums: Vec<(String, i64)> = vec![
            ("frustration".into(), micro(frustration.score)),
            (bucket(frustration.score), 1),
            ("activeMs".into(), metrics.active_ms),
            ("durationMs".into(), metrics.duration_ms),
            ("events".into(), metrics.events.into()),
            ("incidents".into(), metrics.incidents.values().map(|n| i64::from(*n)).sum()),
        ];
        let rated = session.efficiency.score;
        sums.extend(rated.map(|score| ("efficiency".into(), micro(score))));
        for part in &frustration.contributions {
            sums.push((format!("c.{}", part.signal), micro(part.share * frustration.score)));
        }
        let parts = [
            ("frustratedHigh", i64::from(frustration.tier == Tier::High)),
            ("efficiencySessions", i64::from(rated.is_some())),
        ];
        self.add(CellKind::Overview, "", &sums, &parts);
    }

    fn screens(&mut self) {
        let efficiency = self.session.efficiency.score;
        for (screen, visit) in &self.session.screens {
            let mut sums: Vec<(String, i64)> = vec![
                ("visits".into(), visit.visits.into()),
                ("dwellMs".into(), visit.dwell_ms),
                ("frustration".into(), micro(visit.frustration)),
                ("rageSessions".into(), i64::from(visit.rage_clicks > 0)),
                ("exits".into(), i64::from(visit.exit)),
                ("incidents".into(), visit.incidents.into()),
                ("incidentSessions".into(), i64::from(visit.incidents > 0)),
            ];
            if let Some(score) = efficiency {
                sums.extend([
                    ("efficiency".into(), micro(score)),
                    ("efficiencySessions".into(), 1),
                ]);
            }
            self.add(CellKind::Screen, screen, &sums, &[]);
        }
    }

    fn tasks(&mut self) {
        let names: BTreeSet<&str> =
            self.session.tasks.iter().map(|run| run.name.as_str()).collect();
        for name in names {
            self.add(CellKind::Task, name, &[], &[]);
        }
        // What was not decided when its session was cut is not decided.
        let decided = |run: &&TaskRun| run.outcome != FlowOutcome::Open;
        for run in self.session.tasks.iter().filter(decided) {
            let cell = self.cells.entry(key(self.session, CellKind::Task, &run.name)).or_default();
            cell.add("started", 1);
            match run.outcome {
                FlowOutcome::Completed => cell.add_of("completed", self.slot, 1),
                FlowOutcome::Cancelled => cell.add_of("cancelled", self.slot, 1),
                FlowOutcome::Abandoned => cell.add_of("abandoned", self.slot, 1),
                FlowOutcome::Ended | FlowOutcome::Open => {}
            }
            baseline::observe(cell, run);
        }
    }

    fn pillars_and_rules(&mut self) {
        for (pillar, impact) in &self.session.trace {
            let parts = [("caused", impact.caused.into()), ("prevented", impact.prevented.into())];
            self.add(CellKind::Pillar, pillar.as_str(), &[], &parts);
        }
        let incidents = &self.session.metrics.incidents;
        for (rule, count) in incidents {
            self.add(CellKind::Rule, rule.as_str(), &[("incidents".into(), (*count).into())], &[]);
        }
        // Whatever else hurts is seen by actors as well, and told when there are enough of them.
        let is_rule =
            |signal: &&str| Rule::parse(signal).is_some_and(|rule| incidents.contains_key(&rule));
        let parts = &self.session.frustration.contributions;
        let signals: BTreeSet<&str> = parts
            .iter()
            .map(|part| part.signal.as_str())
            .filter(|signal| !is_rule(signal))
            .collect();
        for signal in signals {
            self.add(CellKind::Rule, signal, &[], &[]);
        }
    }

    /// Adds to a cell, the session itself among it; of `parts` it is kept who is behind them.
    fn add(&mut self, kind: CellKind, name: &str, sums: &[(String, i64)], parts: &[(&str, i64)]) {
        let cell = self.cells.entry(key(self.session, kind, name)).or_default();
        cell.add("sessions", 1);
        cell.see(self.slot);
        for (name, value) in sums {
            cell.add(name, *value);
        }
        for (name, value) in parts {
            cell.add_of(name, self.slot, *value);
        }
    }
}
