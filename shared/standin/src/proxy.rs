//! A way to a stand-in that fails on command, and that remembers which actions were asked for on which resources.
//!
//! It sits on the wire, so that a function's real binary meets the same faults as a test's own clients: answers that never
//! come, that are errors, that are lost after their effect, that break off, or that tell of half the work done.

mod actions;
mod partial;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher as _},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::CONTENT_LENGTH,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ports::chance::Chance;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::http::{Client, Lost, client, forward};

pub use actions::Action;
use actions::Asked;

/// A proxy before one stand-in. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    seen: Arc<Mutex<BTreeSet<Action>>>,
    weather: Arc<Weather>,
    server: JoinHandle<()>,
}

/// How often requests fail, and how.
#[derive(Debug)]
pub struct Weather {
    percent: u8,
    faults: Vec<Fault>,
    chance: Mutex<Chance>,
    struck: Mutex<BTreeSet<Fault>>,
    failures_max: u32,
    /// How often each request failed, by its hash.
    failed: Mutex<BTreeMap<u64, u32>>,
}

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nothing is done and no answer comes, until the client gives up.
    Hang,
    /// Nothing is done; the service says that it is its own fault.
    ServerError,
    /// Nothing is done; the service asks to slow down.
    Throttle,
    /// It is done, and the connection breaks before the answer.
    LostAnswer,
    /// It is done, and the answer breaks off in its middle.
    BrokenAnswer,
    /// Half of it is done, and the answer says so. Requests that cannot be half done pass.
    Partial,
}

impl Fault {
    /// Those after which nothing has happened.
    pub const BEFORE: [Self; 2] = [Self::ServerError, Self::Throttle];
    /// All but the slowest.
    pub const QUICK: [Self; 5] =
        [Self::ServerError, Self::Throttle, Self::LostAnswer, Self::BrokenAnswer, Self::Partial];
}

impl Weather {
    /// No request fails.
    #[must_use]
    pub fn fair() -> Arc<Self> {
        Self::of(0, 0, Vec::new())
    }

    /// `percent` of the requests fail, each by one of `faults`, as `seed` says.
    #[must_use]
    pub fn of(seed: u64, percent: u8, faults: impl Into<Vec<Fault>>) -> Arc<Self> {
        Self::passing(u32::MAX, seed, percent, faults)
    }

    /// The same, but a request that failed so often is let through: whoever asks often enough is answered.
    #[must_use]
    pub fn passing(
        failures_max: u32,
        seed: u64,
        percent: u8,
        faults: impl Into<Vec<Fault>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            percent,
            faults: faults.into(),
            chance: Mutex::new(Chance::of(seed)),
            struck: Mutex::default(),
            failures_max,
            failed: Mutex::default(),
        })
    }

    /// The faults that happened so far.
    #[must_use]
    pub fn struck(&self) -> BTreeSet<Fault> {
        lock(&self.struck).clone()
    }

    fn next(&self, request: impl Hash) -> Option<Fault> {
        let mut chance = lock(&self.chance);
        if !chance.percent(self.percent) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        request.hash(&mut hasher);
        let mut failed = lock(&self.failed);
        let failures = failed.entry(hasher.finish()).or_default();
        if *failures >= self.failures_max {
            return None;
        }
        *failures += 1;
        let fault = chance.one_of(&self.faults).copied();
        lock(&self.struck).extend(fault);
        fault
    }
}

impl Proxy {
    /// Opens a way to `upstream`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: &str, weather: Arc<Weather>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(Mutex::default());
        let way = Way {
            client: client(),
            upstream: upstream.trim_end_matches('/').to_owned(),
            weather: Arc::clone(&weather),
            seen: Arc::clone(&seen),
        };
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let way = way.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| way.pass(request));
                    // A connection that breaks is what a fault is.
                    drop(
                        http1::Builder::new()
                            .serve_connection(TokioIo::new(connection), service)
                            .await,
                    );
                });
            }
        });
        Ok(Self { url, seen, weather, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The actions that were asked for so far.
    #[must_use]
    pub fn seen(&self) -> BTreeSet<Action> {
        lock(&self.seen).clone()
    }

    /// Its weather.
    #[must_use]
    pub fn weather(&self) -> &Arc<Weather> {
        &self.weather
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug, Clone)]
struct Way {
    client: Client,
    upstream: String,
    weather: Arc<Weather>,
    seen: Arc<Mutex<BTreeSet<Action>>>,
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

impl Way {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Lost> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        let asked = Asked::of(&parts, &body);
        lock(&self.seen).extend(asked.actions.iter().cloned());
        match self.weather.next((parts.method.as_str(), parts.uri.path(), parts.uri.query(), &body))
        {
            None => self.forward(&parts, body).await,
            Some(Fault::Hang) => {
                tokio::time::sleep(HANG).await;
                Err(Lost)
            }
            Some(Fault::ServerError) => {
                Ok(asked.error(500, "InternalServerError", "InternalError"))
            }
            Some(Fault::Throttle) if asked.is_s3 => Ok(asked.error(503, "", "SlowDown")),
            Some(Fault::Throttle) => Ok(asked.error(400, asked.throttled(), "")),
            Some(Fault::LostAnswer) => {
                self.forward(&parts, body).await?;
                Err(Lost)
            }
            Some(Fault::BrokenAnswer) => Ok(broken(self.forward(&parts, body).await?).await),
            Some(Fault::Partial) => match partial::half(&asked.operation, &body) {
                Some(half) => {
                    let answer = self.forward(&parts, half.body.clone().into()).await?;
                    partial::tell(half, answer).await
                }
                None => self.forward(&parts, body).await,
            },
        }
    }

    async fn forward(
        &self,
        parts: &hyper::http::request::Parts,
        body: Bytes,
    ) -> Result<Answer, Lost> {
        Ok(forward(&self.client, &self.upstream, parts, body).await?.map(whole))
    }
}

fn whole(body: impl Into<Bytes>) -> BoxBody<Bytes, io::Error> {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// Half of the answer, and then the end of the connection.
async fn broken(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let half = body.slice(..body.len() / 2);
    // The length that was meant: an answer without one would seem to be complete.
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    let frames = [Ok(Frame::data(half)), Err(io::Error::other("the answer breaks off"))];
    Response::from_parts(parts, BodyExt::boxed(StreamBody::new(stream::iter(frames))))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any attempt.
const HANG: Duration = Duration::from_secs(30);
