//! A session's events, in order.

use std::io;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::{Code, Event, EventId, Timestamp, insights::pages::EventPage};
use friction::{
    insight::Replay,
    owner::{Owner, Position},
};
use ports::{
    PortResult,
    clock::Clock,
    sessions::{EventLog, Understanding},
};

use crate::{
    Insights,
    cursor::Place,
    lists,
    parameters::{AFTER, EVENTS},
    problem::Refusal,
    query::Call,
};

impl<W: Understanding + EventLog, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn events(&self, call: &Call) -> Result<Response, Refusal> {
        let limit = call.query.count(&EVENTS)?;
        let after = call.query.time(&AFTER)?;
        let place = self.place(call)?.map(position).transpose()?;
        let session_id = call.session_id()?;
        let found = self.world.session(&call.org, &session_id).await?;
        let (owner, stored) = found.ok_or(Code::NotFound)?;
        let reader = Reader { replay: Replay::of(&stored), after, place, limit };
        let (events, is_last) = reader.read(&self.world, &owner).await?;
        let next_cursor = events.last().filter(|_| !is_last).map(|last| {
            let session = &stored.session;
            let place = Place {
                from: session.started_at,
                to: session.ended_at,
                at: last.occurred_at,
                id: last.event_id.to_string(),
            };
            self.cursors.seal(&call.bound(), &place)
        });
        let page = EventPage {
            session_id,
            state: lists::state(stored.state),
            as_of: call.now,
            events,
            next_cursor,
        };
        Ok(Json(page).into_response())
    }
}

fn position(place: Place) -> Result<Position, Code> {
    let id = EventId::parse(place.id).map_err(|_| Code::BadCursor)?;
    Ok(Position { at: place.at, id })
}

/// Which of an owner's events are told.
struct Reader {
    replay: Replay,
    after: Option<Timestamp>,
    place: Option<Position>,
    limit: usize,
}

impl Reader {
    /// The events, and whether these are all that are left.
    async fn read(self, log: &impl EventLog, owner: &Owner) -> PortResult<(Vec<Event>, bool)> {
        let Self { replay, after, place, limit } = self;
        let from = replay.reads_from(after.filter(|_| place.is_none()));
        let (mut events, mut bytes, mut is_last) = (Vec::new(), 0, true);
        // One more than is told says whether there is more.
        let chunk = (limit + 1).min(CHUNK_EVENTS);
        walk(log, owner, (replay, from, place), chunk, |event| {
            if after.is_some_and(|after| event.occurred_at <= after) {
                return Walk::On;
            }
            bytes += encoded_bytes(&event);
            if events.len() == limit || bytes > PAGE_BYTES_MAX {
                is_last = false;
                return Walk::Enough;
            }
            events.push(event);
            Walk::On
        })
        .await?;
        Ok((events, is_last))
    }
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    On,
    Enough,
}

/// Reads a session's events, from a time or after a place, to its end or until there are enough.
pub(crate) async fn walk(
    log: &impl EventLog,
    owner: &Owner,
    (replay, from, mut place): (Replay, Timestamp, Option<Position>),
    chunk_events: usize,
    mut visit: impl FnMut(Event) -> Walk,
) -> PortResult<()> {
    loop {
        let chunk = log.read(owner, from, place.as_ref(), chunk_events).await?;
        let is_end = chunk.len() < chunk_events;
        for event in chunk {
            if !replay.holds(place.as_ref().map(|place| place.at), event.occurred_at) {
                return Ok(());
            }
            place = Some(Position::of(&event));
            if visit(event) == Walk::Enough {
                return Ok(());
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

fn encoded_bytes(event: &Event) -> usize {
    let mut counter = Counter(0);
    // Counting does not fail, and what cannot be written is not told either.
    serde_json::to_writer(&mut counter, event).map_or(0, |()| counter.0)
}

/// Counts what is written.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events in one read.
const CHUNK_EVENTS: usize = 1_000;
/// Of an answer of at most 6 MB, with room for an encoding of it.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
