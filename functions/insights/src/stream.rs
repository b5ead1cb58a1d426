//! A session's context over a WebSocket: as it is now, then after every change.
//!
//! What is sent is always the whole context, so that a message that was missed is made up for by the next one, and whoever
//! comes back with the `lastSeq` it has seen is told as soon as more was read.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{
        FromRequestParts as _,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    },
    http::{HeaderMap, request::Parts},
    response::Response,
};
use contract::{Code, EventId, OrgId, Timestamp, projection::SessionContext, session::SessionId};
use friction::{context::sequence, owner::Position};
use ports::clock::{Clock, Entropy};
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    Insights, World, auth::Caller, parameters::AFTER_SEQUENCE, problem::Refusal, query::Call,
};

/// How many streams may be open, and how they are looked after.
#[derive(Debug)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    /// How often the key is judged again, and whoever listens is asked for a sign.
    check_every: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)), check_every: CHECK_EVERY }
    }
}

impl<W, C, E> Insights<W, C, E> {
    /// The same, but the keys of open streams are judged again this often.
    #[must_use]
    pub fn checking_streams_every(mut self, check_every: Duration) -> Self {
        self.streams.check_every = check_every;
        self
    }
}

impl<W, C, E> Insights<W, C, E>
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    /// Opens a stream, if the session is known: whatever speaks against it is said before.
    pub(crate) async fn open(
        self: Arc<Self>,
        call: Call,
        mut request: Parts,
    ) -> Result<Response, Refusal> {
        let after = call.query.parsed(&AFTER_SEQUENCE, position)?.as_ref().map(sequence);
        let session = call.session_id()?;
        if self.context_of(&call.org, &session).await?.is_none() {
            return Err(Code::NotFound.into());
        }
        let upgrade = WebSocketUpgrade::from_request_parts(&mut request, &()).await;
        let upgrade = upgrade.map_err(|_| Code::InvalidHeader)?;
        let permit = Arc::clone(&self.streams.places).try_acquire_owned();
        let permit = permit.map_err(|_| Code::RateLimited)?;
        let stream = Stream {
            app: self,
            org: call.org,
            session,
            headers: request.headers,
            told: None,
            after,
            _permit: permit,
        };
        let upgrade = upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX);
        Ok(upgrade.on_upgrade(|socket| stream.run(socket)))
    }
}

/// One that is open.
struct Stream<W, C, E> {
    app: Arc<Insights<W, C, E>>,
    org: OrgId,
    session: SessionId,
    /// With the key, which may be revoked meanwhile.
    headers: HeaderMap,
    /// What was said last.
    told: Option<SessionContext>,
    /// What had been seen before this stream was opened.
    after: Option<String>,
    _permit: OwnedSemaphorePermit,
}

/// Why a stream ends.
enum End {
    /// The other side is gone.
    Gone,
    /// We end it, and say so.
    Close(u16),
}

impl<W, C, E> Stream<W, C, E>
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    async fn run(mut self, mut socket: WebSocket) {
        if let End::Close(code) = self.serve(&mut socket).await {
            let frame = CloseFrame { code, reason: "".into() };
            // Whoever is gone needs no goodbye.
            drop(timeout(PATIENCE, socket.send(Message::Close(Some(frame)))).await);
        }
    }

    async fn serve(&mut self, socket: &mut WebSocket) -> End {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = interval(self.app.streams.check_every);
        let mut unheard = 0;
        loop {
            let message = select! {
                heard = socket.recv() => match heard {
                    // Nothing that is said matters, only that somebody is there.
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                        unheard = 0;
                        continue;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                },
                _ = looks.tick() => match self.news().await {
                    Ok(Some(message)) => message,
                    Ok(None) => continue,
                    Err(end) => return end,
                },
                _ = checks.tick() => {
                    if unheard > UNHEARD_MAX {
                        return End::Gone;
                    }
                    if let Err(end) = self.check().await {
                        return end;
                    }
                    unheard += 1;
                    Message::Ping(Bytes::new())
                }
            };
            // Whoever does not read what is sent holds a place for nothing.
            match timeout(PATIENCE, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return End::Gone,
            }
        }
    }

    /// What is to be said, if something changed.
    async fn news(&mut self) -> Result<Option<Message>, End> {
        let found = self.app.context_of(&self.org, &self.session).await.map_err(|error| {
            tracing::warn!(operation = error.operation, "ended a stream: {error}");
            End::Close(close_code::AGAIN)
        })?;
        // A session that was taken back is no session any more.
        let context = found.ok_or(End::Close(close_code::NORMAL))?;
        if self.told.as_ref() == Some(&context) {
            return Ok(None);
        }
        let is_seen = self.told.is_none() && self.after.is_some() && context.last_seq <= self.after;
        let text = serde_json::to_string(&context).map_err(|_| End::Close(close_code::ERROR))?;
        self.told = Some(context);
        Ok((!is_seen).then(|| Message::text(text)))
    }

    /// A key that may not read any more ends what was opened with it.
    async fn check(&self) -> Result<(), End> {
        let now = self.app.clock.now();
        match Caller::of(&self.app.world, &self.headers, now).await {
            Ok(caller) if caller.org(Some(self.org.clone())).is_ok() => Ok(()),
            Ok(_) | Err(_) => Err(End::Close(close_code::POLICY)),
        }
    }
}

/// The place that a `lastSeq` names.
fn position(text: &str) -> Option<Position> {
    let (at, id) = text.split_once('#')?;
    Some(Position { at: Timestamp::parse(at)?, id: EventId::parse(id).ok()? })
}

/// How often a session is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// So many questions without a sign are enough.
const UNHEARD_MAX: u32 = 2;
/// How long a message may take to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing that a listener says matters.
const HEARD_BYTES_MAX: usize = 4 * 1024;
const STREAMS_MAX: usize = 1_000;
