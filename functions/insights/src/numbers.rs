//! Sums and means over sessions.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use friction::{
    cells::CellKind,
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
        let both = with_previous(&span, period);
        let (overview, screens, rules, tasks) = try_join!(
            self.world.cells(&both, CellKind::Overview),
            self.world.cells(&both, CellKind::Screen),
            self.world.cells(&both, CellKind::Rule),
            self.world.cells(&span, CellKind::Task),
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
        let cells = self.world.cells(&with_previous(&span, period), CellKind::Screen).await?;
        Ok(Json(insight::hotspots(asked, question, &cells)).into_response())
    }

    pub(crate) async fn trace(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, period, asked) = call.days()?;
        let cells = self.world.cells(&span, CellKind::Pillar).await?;
        Ok(Json(insight::trace(asked, period, &cells)).into_response())
    }

    pub(crate) async fn top_flows(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, _, asked) = call.days()?;
        let limit = call.query.count(&parameters::FLOWS)?;
        let sort = call.query.parsed(&parameters::SORT, sort)?.unwrap_or(FlowSort::Frequency);
        let (names, cells) =
            try_join!(self.flow_names(&span), self.world.cells(&span, CellKind::Variant))?;
        let told = insight::top_flows(asked, (sort, limit), &names, &cells);
        Ok(Json(told).into_response())
    }

    pub(crate) async fn flow_graph(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, _, asked) = call.days()?;
        let limit = call.query.count(&parameters::EDGES)?;
        let (names, cells) =
            try_join!(self.flow_names(&span), self.world.cells(&span, CellKind::Edge))?;
        // Flows are only needed for their names.
        let variants = if names.is_empty() {
            Vec::new()
        } else {
            self.world.cells(&span, CellKind::Variant).await?
        };
        let told = insight::flow_graph(asked, limit, (&names, &variants), &cells);
        Ok(Json(told).into_response())
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

/// The same from the beginning of the period before.
fn with_previous(span: &Span, period: Period) -> Span {
    Span { from: period.previous().from, ..span.clone() }
}
