//! The HTTP door: `POST /v1/events/batch` and `GET /health`, as one router for Lambda and for one machine.
//!
//! Read (who, what, how large), decide ([`domain::intake`]), write (one [`ports::intake::Intake::submit`]), answer per
//! event. Nothing is answered with a 2xx before it is durable, no answer repeats what was sent, and nothing that was sent
//! is logged.
//!
//! # Layout
//!
//! - [`config`]: settings and their variables
//! - `auth`, `rate`, `body`: who may send, how much, and the bytes
//! - `batch`, `entries`: one request from its bytes to its answers
//! - `health`: process and dependency state
//! - `problem`: every refusal, mapped to its status in one place

mod auth;
mod batch;
mod body;
pub mod config;
mod entries;
mod health;
mod problem;
mod rate;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use contract::Code;
use domain::event_id;
use ports::{
    clock::{Clock, Entropy},
    intake::Intake,
    keys::{ApiKeys, PseudonymKeys},
};
use tracing::Instrument as _;

use crate::{config::Config, problem::Refusal, rate::Buckets};

/// The door over a world that keeps events and knows keys.
#[derive(Debug)]
pub struct Ingest<W, C, E> {
    world: W,
    clock: C,
    entropy: E,
    config: Config,
    buckets: Buckets,
}

impl<W, C, E> Ingest<W, C, E> {
    /// A door with its settings.
    pub fn new(world: W, clock: C, entropy: E, config: Config) -> Self {
        Self { world, clock, entropy, buckets: Buckets::new(config.rate), config }
    }
}

/// The routes of the door.
pub fn router<W, C, E>(app: Arc<Ingest<W, C, E>>) -> Router
where
    W: Intake + ApiKeys + PseudonymKeys + 'static,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    Router::new()
        .route("/v1/events/batch", any(batch_route::<W, C, E>))
        .route("/health", any(health_route::<W, C, E>))
        .fallback(no_route)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), finish::<W, C, E>))
        .with_state(app)
}

async fn batch_route<W, C, E>(
    State(app): State<Arc<Ingest<W, C, E>>>,
    request: Request,
) -> Result<Response, Refusal>
where
    W: Intake + ApiKeys + PseudonymKeys + 'static,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    if request.method() == Method::POST {
        batch::handle(&app, request).await
    } else {
        Err(Refusal::method_not_allowed("POST"))
    }
}

async fn health_route<W, C, E>(
    State(app): State<Arc<Ingest<W, C, E>>>,
    method: Method,
) -> Result<Response, Refusal>
where
    W: Intake + ApiKeys + PseudonymKeys + 'static,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    if method == Method::GET || method == Method::HEAD {
        health::handle(&app.world).await
    } else {
        Err(Refusal::method_not_allowed("GET, HEAD"))
    }
}

async fn no_route() -> Refusal {
    Refusal::of(Code::NotFound)
}

/// Gives every answer the request's id, which is ours whatever the caller calls it, and the headers that keep a browser
/// from making anything of it.
async fn finish<W, C: Clock, E: Entropy>(
    State(app): State<Arc<Ingest<W, C, E>>>,
    request: Request,
    next: Next,
) -> Response
where
    W: Send + Sync + 'static,
{
    let id = event_id::v7(app.clock.now(), app.entropy.bytes());
    // Every line that this request logs, in whatever layer, carries its id.
    let span = tracing::info_span!("request", request.id = id.as_str());
    let mut response = next.run(request).instrument(span).await;
    problem::render(&mut response, id.as_str());
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
