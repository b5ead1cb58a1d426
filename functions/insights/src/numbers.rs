//! Sums and means over sessions.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use friction::{
    cells::{Cell, CellKey, CellKind},
    flow::FlowSort,
    insight::{self, HotspotQuestion, OverviewCells, Period},
    rules::FlowNames,
};
use ports::{
    PortResult,
    clock::Clock,
    rules::RuleBook,
    sessions::{Span, Sums},
};
use tokio::try_join;

use crate::{Insights, parameters, problem::Refusal, query::Call};

impl<W: Sums + RuleBook, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn overview(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, period, asked) = call.days()?;
        let before = before(&span, period);
        let (overview, screens, rules, tasks) = try_join!(
            self.both(&before, &span, CellKind::Overview),
            self.both(&before, &span, CellKind::Screen),
            self.both(&before, &span, CellKind::Rule),
            self.world.totals(&span, CellKind::Task),
        )?;
        let cells =
            OverviewCells { overview: &overview, screens: &screens, rules: &rules, tasks: &tasks };
        Ok(Json(insight::overview(asked, period, &cells)).into_response())
    }

    pub(crate) async fn hotspots(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, period, asked) = call.days()?;
        let sessions_min = call.query.count(&parameters::SESSIONS_MIN)?;
        let question = HotspotQuestion {
            period,
            sessions_min: i64::try_from(sessions_min).unwrap_or(i64::MAX),
            limit: call.query.count(&parameters::HOTSPOTS)?,
        };
        let cells = self.both(&before(&span, period), &span, CellKind::Screen).await?;
        Ok(Json(insight::hotspots(asked, question, &cells)).into_response())
    }

    pub(crate) async fn trace(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, period, asked) = call.days()?;
        let cells = self.world.totals(&span, CellKind::Pillar).await?;
        Ok(Json(insight::trace(asked, period, &cells)).into_response())
    }

    pub(crate) async fn top_flows(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, _, asked) = call.days()?;
        let limit = call.query.count(&parameters::FLOWS)?;
        let sort = call.query.parsed(&parameters::SORT, sort)?.unwrap_or(FlowSort::Frequency);
        let (names, cells) =
            try_join!(self.flow_names(&span), self.world.totals(&span, CellKind::Variant))?;
        let told = insight::top_flows(asked, (sort, limit), &names, &cells);
        Ok(Json(told).into_response())
    }

    pub(crate) async fn flow_graph(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, _, asked) = call.days()?;
        let limit = call.query.count(&parameters::EDGES)?;
        let (names, cells) =
            try_join!(self.flow_names(&span), self.world.totals(&span, CellKind::Edge))?;
        // Flows are only needed for their names.
        let variants = if names.is_empty() {
            Vec::new()
        } else {
            self.world.totals(&span, CellKind::Variant).await?
        };
        let told = insight::flow_graph(asked, limit, (&names, &variants), &cells);
        Ok(Json(told).into_response())
    }

    /// Two spans one after the other, each added up by itself.
    async fn both(
        &self,
        before: &Span,
        span: &Span,
        kind: CellKind,
    ) -> PortResult<Vec<(CellKey, Cell)>> {
        let (mut both, totals) =
            try_join!(self.world.totals(before, kind), self.world.totals(span, kind))?;
        both.extend(totals);
        Ok(both)
    }

    /// What flows are called where these are asked about.
    async fn flow_names(&self, span: &Span) -> PortResult<FlowNames> {
        let rules = self.world.rules(&span.org).await?.unwrap_or_default();
        Ok(rules.flow_names(span.product.as_ref()))
    }
}

fn sort(word: &str) -> Option<FlowSort> {
    match word {
        "frequency" => Some(FlowSort::Frequency),
        "impact" => Some(FlowSort::Impact),
        _ => None,
    }
}

/// The same of the period before.
fn before(span: &Span, period: Period) -> Span {
    let Period { from, to } = period.previous();
    Span { from, to, ..span.clone() }
}
