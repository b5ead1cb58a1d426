//! `tribo explain`: everything that makes the numbers of one session, so that each can be argued with.

mod text;

use std::collections::BTreeSet;

use contract::{
    Event, EventId, OrgId, Timestamp,
    incident::Incident,
    insights::pages::SessionView,
    session::{Session, SessionId},
};
use friction::{
    change::StoredSession,
    owner::{Owner, Position},
    score::model,
};
use ports::{
    PortResult,
    reference::Organisations,
    sessions::{EventLog, IncidentQuery, Span, Understanding},
};
use serde::Serialize;

use super::sessions::{organisations, pages, view};
use crate::{cli::ExplainArgs, output};

/// `tribo explain --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    /// The session: its bounds, metrics and scores, with what they are made of.
    session: SessionView,
    /// How the scores come of what they are made of.
    formulas: Formulas,
    /// Oldest first, each with its rule, thresholds and events.
    incidents: Vec<Incident>,
    /// The events that the numbers are made of, in order, as far as they are still kept.
    events: Vec<Event>,
    /// How many of them are not kept any more.
    events_gone: usize,
}

/// Models in words.
#[derive(Debug, Serialize)]
struct Formulas {
    frustration: String,
    efficiency: String,
}

/// Prints the explanation. 4 when nobody knows the session.
pub(crate) async fn run(args: ExplainArgs) -> anyhow::Result<u8> {
    let ExplainArgs { session, org, place } = args;
    let world = place.place.directory()?;
    let Some((owner, stored)) = find(&world, org, &session).await? else {
        output::note(&format!("no session {session} is known here"));
        return Ok(UNKNOWN_SESSION);
    };
    let told = explain(&world, &owner, stored).await?;
    if place.json {
        output::json(&told)?;
    } else {
        output::line(text::of(&told).trim_end())?;
    }
    Ok(0)
}

async fn find<W: Understanding + Organisations>(
    world: &W,
    org: Option<OrgId>,
    id: &SessionId,
) -> anyhow::Result<Option<(Owner, StoredSession)>> {
    for org in organisations(world, org).await? {
        if let Some(found) = world.session(&org, id).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn explain<W: Understanding + EventLog>(
    world: &W,
    owner: &Owner,
    stored: StoredSession,
) -> PortResult<Explanation> {
    let session = &stored.session;
    let mut incidents = Vec::new();
    let query = IncidentQuery {
        span: always(session),
        rule: None,
        session: Some(session.session_id.clone()),
        after: None,
        limit: pages::SIZE,
    };
    pages::incidents(world, query, |incident| incidents.push(incident)).await?;
    incidents.reverse();
    let events = events(world, owner, session).await?;
    let events_gone = expected(session).saturating_sub(events.len());
    let formulas = Formulas { frustration: frustration(), efficiency: efficiency() };
    Ok(Explanation { session: view(stored), formulas, incidents, events, events_gone })
}

fn always(session: &Session) -> Span {
    Span {
        org: session.org_id.clone(),
        product: None,
        from: Timestamp::from_ms(i64::MIN),
        to: Timestamp::from_ms(i64::MAX),
    }
}

/// The events that the session was made of: the first of each id, not more than were counted. More may have come since.
async fn events<L: EventLog>(log: &L, owner: &Owner, session: &Session) -> PortResult<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    let mut after: Option<Position> = None;
    loop {
        let page = log.read(owner, session.started_at, after.as_ref(), CHUNK).await?;
        let is_last = page.len() < CHUNK;
        after = page.last().map(Position::of).or(after);
        for event in page {
            if events.len() == expected(session) || event.occurred_at > session.ended_at {
                return Ok(events);
            }
            if seen.insert(event.event_id.clone()) {
                events.push(event);
            }
        }
        if is_last {
            return Ok(events);
        }
    }
}

fn expected(session: &Session) -> usize {
    usize::try_from(session.metrics.events).unwrap_or(usize::MAX)
}

fn frustration() -> String {
    format!(
        "x = Σ weight · log2(1 + count); score = (1 − e^(−{k:?}·x)) / (1 + e^(−{k:?}·(x − {x0:?})))",
        k = model::STEEPNESS,
        x0 = model::MIDDLE,
    )
}

fn efficiency() -> String {
    format!(
        "z = {completion:?} · (2 · completion − 1) − {time:?} · d(secondsPerTask, usual) − {clicks:?} · d(clicksPerTask, usual) \
         − {lostness:?} · lostness, where d = log2(value / usual), from {least:?} to {most:?}; score = 1 / (1 + e^(−z))",
        completion = model::COMPLETION_WEIGHT,
        time = model::TIME_WEIGHT,
        clicks = model::CLICKS_WEIGHT,
        lostness = model::LOSTNESS_WEIGHT,
        least = model::DOUBLINGS_MIN,
        most = model::DOUBLINGS_MAX,
    )
}

const CHUNK: usize = 1_000;
/// Exit code for a session that nobody knows.
const UNKNOWN_SESSION: u8 = 4;
