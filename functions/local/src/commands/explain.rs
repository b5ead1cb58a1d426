//! `tribo explain`: everything that makes the numbers of one session, so that each can be argued with.

mod remote;
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
    sessions::{EventLog, IncidentQuery, Span, Sums, Understanding},
};
use serde::Serialize;

use super::sessions::{organisations, pages, view};
use crate::{cli::ExplainArgs, open::at, output, remote::Server};

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
    let ExplainArgs { session, org, store } = args;
    let told = match Server::named(&store)? {
        Some(server) => remote::explain(&server, org, &session).await?,
        None => at!(store.place.existing()?, world => {
            match find(&world, org, &session).await? {
                Some((owner, stored)) => Some(explain(&world, &owner, stored).await?),
                None => None,
            }
        }),
    };
    let Some(told) = told else {
        output::note(&format!("no session {session} is known here"));
        return Ok(UNKNOWN_SESSION);
    };
    if store.json {
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

async fn explain<W: Understanding + EventLog + Sums>(
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
    let mut timeline = Timeline::of(session);
    let mut after: Option<Position> = None;
    loop {
        let page = world.read(owner, session.started_at, after.as_ref(), CHUNK).await?;
        let is_last = page.len() < CHUNK;
        after = page.last().map(Position::of).or(after);
        if !timeline.takes(page) || is_last {
            break;
        }
    }
    let unusual = insights::unusual_of(world, &stored.session).await?;
    let view = SessionView { unusual, ..view(stored) };
    Ok(Explanation::new(view, incidents, timeline))
}

impl Explanation {
    /// Of a session, its incidents, newest first, and its events.
    fn new(session: SessionView, mut incidents: Vec<Incident>, timeline: Timeline) -> Self {
        incidents.reverse();
        let formulas = Formulas { frustration: frustration(), efficiency: efficiency() };
        let events_gone = timeline.expected.saturating_sub(timeline.events.len());
        Self { session, formulas, incidents, events: timeline.events, events_gone }
    }
}

/// The events that a session was made of: the first of each id, not more than were counted. More may have come since.
struct Timeline {
    ended_at: Timestamp,
    expected: usize,
    seen: BTreeSet<EventId>,
    events: Vec<Event>,
}

impl Timeline {
    fn of(session: &Session) -> Self {
        Self {
            ended_at: session.ended_at,
            expected: usize::try_from(session.metrics.events).unwrap_or(usize::MAX),
            seen: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// Takes events in order, and says whether there may be more.
    fn takes(&mut self, page: Vec<Event>) -> bool {
        for event in page {
            if self.events.len() == self.expected || event.occurred_at > self.ended_at {
                return false;
            }
            if self.seen.insert(event.event_id.clone()) {
                self.events.push(event);
            }
        }
        true
    }
}

fn always(session: &Session) -> Span {
    Span {
        org: session.org_id.clone(),
        product: None,
        from: Timestamp::from_ms(i64::MIN),
        to: Timestamp::from_ms(i64::MAX),
    }
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
