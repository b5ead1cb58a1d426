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
        let Self { replay, after, mut place, limit } = self;
        let from = replay.reads_from(after.filter(|_| place.is_none()));
        let (mut events, mut bytes) = (Vec::new(), 0);
        loop {
            // One more than is told says whether there is more.
            let wanted = (limit + 1 - events.len()).min(CHUNK_EVENTS);
            let chunk = log.read(owner, from, place.as_ref(), wanted).await?;
            let is_end = chunk.len() < wanted;
            for event in chunk {
                let at = event.occurred_at;
                if !replay.holds(place.as_ref().map(|place| place.at), at) {
                    return Ok((events, true));
                }
                place = Some(Position::of(&event));
                if after.is_some_and(|after| at <= after) {
                    continue;
                }
                bytes += encoded_bytes(&event);
                if events.len() == limit || bytes > PAGE_BYTES_MAX {
                    return Ok((events, false));
                }
                events.push(event);
            }
            if is_end {
                return Ok((events, true));
            }
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
