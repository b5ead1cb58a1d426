//! The insights API: what is understood of an organisation's events, as one router for Lambda and for one machine.
//!
//! Read (who asks, what for), decide ([`friction::insight`]), answer. Nothing is written. What an endpoint is called, takes
//! and answers stands in one table, from which both the routes and the served description are made.
//!
//! # Layout
//!
//! - `endpoints`, `parameters`, `openapi`: the table, what can be asked, and the description made of both
//! - `auth`, `query`, `cursor`: who asks, what for, and from where on
//! - `numbers`, `unusual`, `lists`, `replay`, `context`, `preferences`, `books`: the answers
//! - [`listening`]: what is asked and told where a session's context is listened to
//! - `stream` (feature `websocket`): a session's context as it changes
//! - `problem`: every refusal, mapped to its status in one place
//! - `config`, `lambda` (feature `lambda`): the entry point
//! - `standalone` (feature `sqlite`): over the embedded store, as a server that lives on

mod auth;
mod books;
#[cfg(feature = "lambda")]
pub mod config;
mod context;
mod cursor;
mod endpoints;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod listening;
mod lists;
mod numbers;
mod openapi;
mod parameters;
mod preferences;
mod problem;
mod query;
mod replay;
#[cfg(feature = "sqlite")]
pub mod standalone;
#[cfg(feature = "websocket")]
mod stream;
mod unusual;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::any,
};
use contract::Code;
use domain::event_id;
use ports::{
    accounts::Accounts,
    clock::{Clock, Entropy},
    keys::ApiKeys,
    projections::Projections,
    reference::Organisations,
    rules::RuleBook,
    sessions::{EventLog, Heads, Sums, Understanding},
};
use tracing::Instrument as _;

pub use auth::Caller;
pub use context::context_of;
pub use cursor::CursorKey;
pub use problem::Refusal;
#[cfg(feature = "websocket")]
pub use stream::Shares;
pub use unusual::unusual_of;

use crate::{
    endpoints::{ENDPOINTS, Endpoint, Operation},
    query::{Asking, Call, Orgs, Query},
};

/// The API over a world that understands events.
#[derive(Debug)]
pub struct Insights<W, C, E> {
    world: W,
    clock: C,
    entropy: E,
    cursors: CursorKey,
    #[cfg(feature = "websocket")]
    streams: stream::Streams,
}

impl<W, C, E> Insights<W, C, E> {
    /// An API whose cursors are signed with `cursors`: whoever serves the next page needs the same key.
    pub fn new(world: W, clock: C, entropy: E, cursors: CursorKey) -> Self {
        Self {
            world,
            clock,
            entropy,
            cursors,
            #[cfg(feature = "websocket")]
            streams: stream::Streams::default(),
        }
    }
}

/// All that is asked of a world.
pub trait World:
    Understanding
    + Sums
    + EventLog
    + Heads
    + Projections
    + RuleBook
    + Organisations
    + Accounts
    + ApiKeys
    + 'static
{
}

impl<W> World for W where
    W: Understanding
        + Sums
        + EventLog
        + Heads
        + Projections
        + RuleBook
        + Organisations
        + Accounts
        + ApiKeys
        + 'static
{
}

/// The API on its own: what is no route of it is answered as well.
pub fn router<W, C, E>(app: Arc<Insights<W, C, E>>) -> Router
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    let rest = Router::new()
        .fallback(async || Refusal::of(Code::NotFound))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), finish::<W, C, E>));
    routes(app).merge(rest)
}

/// The API's routes, to be merged with others.
pub fn routes<W, C, E>(app: Arc<Insights<W, C, E>>) -> Router
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let handler = move |State(app): State<Arc<Insights<W, C, E>>>,
                            path: Result<RawPathParams, _>,
                            request: Request| async move {
            // A path that is no text names nothing.
            let path = path.map_err(|_: RawPathParamsRejection| Refusal::of(Code::NotFound))?;
            let id = path.iter().next().map(|(_, value)| value.to_owned());
            let (request, _) = request.into_parts();
            app.answer(endpoint, id, request).await
        };
        router = router.route(endpoint.path, any(handler));
    }
    router
        .layer(middleware::from_fn_with_state(Arc::clone(&app), finish::<W, C, E>))
        .with_state(app)
}

impl<W, C, E> Insights<W, C, E>
where
    W: World,
    C: Clock + 'static,
    E: Entropy + 'static,
{
    async fn answer(
        self: Arc<Self>,
        endpoint: &'static Endpoint,
        id: Option<String>,
        request: Parts,
    ) -> Result<Response, Refusal> {
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::of(Code::MethodNotAllowed));
        }
        if endpoint.operation == Operation::Description {
            return Ok(described());
        }
        let now = self.clock.now();
        let caller = Caller::of(&self.world, &request.headers, now).await?;
        let query = Query::read(endpoint, request.uri.query().unwrap_or_default())?;
        let asking = Asking { endpoint, caller, id, query, now };
        match endpoint.operation {
            Operation::Overview => self.overview(&asking.call()?).await,
            Operation::Hotspots => self.hotspots(&asking.call()?).await,
            Operation::Trace => self.trace(&asking.call()?).await,
            Operation::TopFlows => self.top_flows(&asking.call()?).await,
            Operation::FlowGraph => self.flow_graph(&asking.call()?).await,
            Operation::UnusualSessions => self.unusual_sessions(&asking.call()?).await,
            Operation::Sessions => self.sessions(&self.listing(asking).await?).await,
            Operation::Session => self.session(&self.of_session(asking).await?).await,
            Operation::Incidents => self.incidents(&self.listing(asking).await?).await,
            Operation::Events => self.events(&self.of_session(asking).await?).await,
            Operation::Preferences => self.preferences(&asking.call()?).await,
            Operation::Context => self.context(&self.of_session(asking).await?).await,
            #[cfg(feature = "websocket")]
            Operation::ContextStream => {
                let key_id = asking.caller.key_id().to_owned();
                let call = self.of_session(asking).await?;
                self.open(&key_id, call, request).await
            }
            Operation::Ledger => self.ledger(&asking).await,
            Operation::Whereabouts => self.whereabouts(&asking).await,
            Operation::Description => Ok(described()),
        }
    }
}

impl<W: Understanding + Organisations, C, E> Insights<W, C, E> {
    /// A request for a list: of one organisation, or of all of them when an operator names none.
    async fn listing(&self, asking: Asking) -> Result<Call<Orgs>, Refusal> {
        if asking.is_about_all() {
            let orgs = self.world.list().await?;
            return Ok(asking.about(Orgs::All(orgs)));
        }
        let org = asking.caller.org(asking.query.org()?)?;
        Ok(asking.about(Orgs::One(org)))
    }

    /// A request about a session. An operator who names no organisation means the one that has it.
    async fn of_session(&self, asking: Asking) -> Result<Call, Refusal> {
        if !asking.is_about_all() {
            return asking.call();
        }
        let id = query::session_id(asking.id.as_deref())?;
        for org in self.world.list().await? {
            if self.world.session(&org, &id).await?.is_some() {
                return Ok(asking.about(org));
            }
        }
        Err(Code::NotFound.into())
    }
}

/// The API's description. It names nobody, and needs no key.
fn described() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// Gives every answer the request's id, which is ours whatever the caller calls it, and the headers that keep a browser
/// from making anything of it.
async fn finish<W, C: Clock, E: Entropy>(
    State(app): State<Arc<Insights<W, C, E>>>,
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
    harden(&mut response, id.as_str());
    response
}

fn harden(response: &mut Response, id: &str) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
