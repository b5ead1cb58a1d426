//! Sessions that went where hardly anybody goes.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{
    insights::unusual::Unusual,
    limits::DAY_MS,
    session::{Session, SessionId},
};
use friction::{
    cells::CellKind,
    change::SessionState,
    flow::Usual,
    insight::{self, Period},
};
use ports::{
    PortResult,
    clock::Clock,
    sessions::{SessionQuery, Span, Sums, Understanding},
};
use tokio::try_join;

use crate::{Insights, parameters, problem::Refusal, query::Call};

impl<W: Understanding + Sums, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn unusual_sessions(&self, call: &Call) -> Result<Response, Refusal> {
        let (span, period, asked) = call.days()?;
        let limit = call.query.count(&parameters::UNUSUAL)?;
        let percentile = call.query.count(&parameters::PERCENTILE_MIN)?;
        let percentile_min = u32::try_from(percentile).map_or(100.0, f64::from);
        let exact = call.span()?;
        let (usual, sessions) = try_join!(usual(&self.world, span), newest(&self.world, &exact))?;
        let most = (percentile_min, limit);
        let told = insight::unusual_sessions(asked, (&usual, period), sessions, most);
        Ok(Json(told).into_response())
    }
}

/// How unusual `session` was among the flows of its product on its day, and on the six days before where that day has few.
///
/// # Errors
/// The world cannot be read.
pub async fn unusual_of<W: Sums>(world: &W, session: &Session) -> PortResult<Option<Unusual>> {
    if session.flows.is_empty() {
        return Ok(None);
    }
    let day = session.started_at.day();
    let to = day.plus_ms(DAY_MS);
    let since = async |from| {
        let (org, product) = (session.org_id.clone(), Some(session.product_id.clone()));
        Ok((usual(world, Span { org, product, from, to }).await?, Period { from, to }))
    };
    let (mut known, mut days) = since(day).await?;
    if known.flows() < FLOWS_ENOUGH {
        (known, days) = since(day.plus_ms(-DAYS_BEFORE * DAY_MS)).await?;
    }
    Ok(insight::unusual(session, &known, days))
}

async fn usual<W: Sums>(world: &W, span: Span) -> PortResult<Usual> {
    let (edges, variants) =
        try_join!(world.totals(&span, CellKind::Edge), world.totals(&span, CellKind::Variant))?;
    Ok(Usual::of(&edges, &variants))
}

/// The newest closed sessions of a time, and whether these are all.
async fn newest<W: Understanding>(world: &W, span: &Span) -> PortResult<(Vec<Session>, bool)> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut after: Option<(contract::Timestamp, SessionId)> = None;
    loop {
        let query = SessionQuery {
            span: span.clone(),
            state: Some(SessionState::Closed),
            after,
            limit: PAGE,
        };
        let page = world.sessions(&query).await?;
        let is_last = page.len() < PAGE;
        sessions.extend(page.into_iter().map(|held| held.session));
        let complete = sessions.len() <= SESSIONS_MAX;
        if is_last || !complete {
            sessions.truncate(SESSIONS_MAX);
            return Ok((sessions, complete));
        }
        after = sessions.last().map(|last| (last.started_at, last.session_id.clone()));
    }
}

/// With so many flows one day says what is usual.
const FLOWS_ENOUGH: u64 = 1_000;
const DAYS_BEFORE: i64 = 6;
const PAGE: usize = 200;
/// Most sessions that one answer looks at.
const SESSIONS_MAX: usize = 1_000;
