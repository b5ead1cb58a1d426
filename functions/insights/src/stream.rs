//! A session's context over a WebSocket: as it is now, then after every change.
//!
//! What is said and told is the same as behind a gateway: [`crate::listening`].

mod places;

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
use contract::{Code, OrgId, projection::SessionContext, session::SessionId};
use ports::clock::{Clock, Entropy};
use tokio::{
    select,
    time::{MissedTickBehavior, interval, timeout},
};

pub use self::places::Shares;
use self::places::{Place, Places};
use crate::{
    Insights, World,
    auth::Caller,
    listening::{is_news, said, seen},
    parameters::AFTER_SEQUENCE,
    problem::Refusal,
    query::Call,
};

/// How many streams may be open, and how they are looked after.
#[derive(Debug)]
pub(crate) struct Streams {
    places: Arc<Places>,
    shares: Shares,
    /// How often the key is judged again, and whoever listens is asked for a sign.
    check_every: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::default(), shares: Shares::default(), check_every: CHECK_EVERY }
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
    /// Opens a stream for whoever presented the key `key_id`, if the session is known: whatever speaks against it is said
    /// before.
    pub(crate) async fn open(
        self: Arc<Self>,
        key_id: &str,
        call: Call,
        mut request: Parts,
    ) -> Result<Response, Refusal> {
        let after = call.query.parsed(&AFTER_SEQUENCE, seen)?;
        let session = call.session_id()?;
        if self.context_of(&call.org, &session).await?.is_none() {
            return Err(Code::NotFound.into());
        }
        let upgrade = WebSocketUpgrade::from_request_parts(&mut request, &()).await;
        let upgrade = upgrade.map_err(|_| Code::InvalidHeader)?;
        let place = self.streams.places.take(self.streams.shares, &call.org, key_id);
        let place = place.map_err(|full| Refusal::crowded(full.to_string()))?;
        let stream = Stream {
            app: self,
            org: call.org,
            session,
            headers: request.headers,
            told: None,
            seen: after,
            _place: place,
        };
        // The usual buffer is made at once for each, and is 30 times as large as all that a listener may say.
        let upgrade = upgrade.read_buffer_size(HEARD_BYTES_MAX).write_buffer_size(0);
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
    /// What whoever listens says it has seen, if it said something since.
    seen: Option<String>,
    _place: Place,
}

/// Why a stream ends.
enum End {
    /// The other side is gone.
    Gone,
    /// We end it, and say why.
    Close(u16, &'static str),
    /// What was said cannot be meant.
    Refused(Refusal),
}

impl<W, C, E> Stream<W, C, E>
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    async fn run(mut self, mut socket: WebSocket) {
        let (code, reason) = match self.serve(&mut socket).await {
            End::Gone => return,
            End::Close(code, reason) => (code, reason),
            End::Refused(refusal) => {
                let text = serde_json::to_string(refusal.problem()).unwrap_or_default();
                drop(timeout(PATIENCE, socket.send(Message::text(text))).await);
                (close_code::POLICY, REFUSED)
            }
        };
        let frame = CloseFrame { code, reason: reason.into() };
        // Whoever is gone needs no goodbye.
        drop(timeout(PATIENCE, socket.send(Message::Close(Some(frame)))).await);
    }

    async fn serve(&mut self, socket: &mut WebSocket) -> End {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = interval(self.app.streams.check_every);
        let mut unheard = 0;
        loop {
            let message = select! {
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Text(text))) => {
                        unheard = 0;
                        match said(&text) {
                            // The next look answers.
                            Ok(seen) => self.seen = seen.or(self.seen.take()),
                            Err(refusal) => return End::Refused(refusal),
                        }
                        continue;
                    }
                    // Nothing else that is said matters, only that somebody is there.
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
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
            End::Close(close_code::AGAIN, "the context cannot be read now")
        })?;
        // A session that was taken back is no session any more.
        let context = found.ok_or(End::Close(close_code::NORMAL, "this is no session any more"))?;
        let is_changed = self.told.as_ref().map(|told| *told != context);
        let is_news = is_news(&context, is_changed, self.seen.take().as_deref());
        let text = is_news.then(|| serde_json::to_string(&context)).transpose();
        let text = text.map_err(|_| End::Close(close_code::ERROR, "the context cannot be told"))?;
        self.told = Some(context);
        Ok(text.map(Message::text))
    }

    /// A key that may not read any more ends what was opened with it.
    async fn check(&self) -> Result<(), End> {
        let now = self.app.clock.now();
        match Caller::of(&self.app.world, &self.headers, now).await {
            Ok(caller) if caller.org(Some(self.org.clone())).is_ok() => Ok(()),
            Ok(_) | Err(_) => Err(End::Close(close_code::POLICY, "this key may not read any more")),
        }
    }
}

/// How often a session is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// So many questions without a sign are enough.
const UNHEARD_MAX: u32 = 2;
/// How long a message may take to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a listener may say is short.
const HEARD_BYTES_MAX: usize = 4 * 1024;
const REFUSED: &str = "what was said cannot be meant";
