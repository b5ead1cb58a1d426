//! A WebSocket API of API Gateway on loopback: the connections that it holds open, the function that it asks about them, and
//! `@connections`, over which the function reaches them.
//!
//! As documented (docs.aws.amazon.com/apigateway/latest/developerguide/): the function is asked before a connection opens and
//! its status is the handshake's (`apigateway-websocket-api-route-keys-connect-disconnect.html`); until then nothing can be
//! posted, and 410 is answered for a connection that is not there (`apigateway-how-to-call-websocket-api-connections.html`);
//! a frame is at most 32 KB and a message 128 KB, or else 1009; 2 hours open, 10 minutes idle
//! (`apigateway-execution-service-websocket-limits-table.html`); a binary frame closes with 1003
//! (`websocket-api-develop-binary-media-types.html`).

mod callback;
mod event;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{
        FromRequestParts as _, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    },
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse as _, Response},
};
use contract::Timestamp;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::lambda::{Failure, Function};

/// What a gateway asks: a function's answer to a payload.
pub type Integration =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync>;

/// A function's binary as what a gateway asks.
#[must_use]
pub fn integration(function: Arc<Function>) -> Integration {
    Arc::new(move |payload| {
        let function = Arc::clone(&function);
        Box::pin(async move { function.invoke(payload).await })
    })
}

/// What a gateway bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; the service has a rate instead.
    pub connections: usize,
    /// How long one may be open.
    pub open: Duration,
    /// How long nothing may be said on one.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: usize::MAX,
            open: Duration::from_secs(2 * 60 * 60),
            idle: Duration::from_secs(10 * 60),
        }
    }
}

/// A gateway's place, before it serves.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A gateway. It ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    connections: Arc<Connections>,
    server: JoinHandle<()>,
}

impl Bound {
    /// Takes `address`.
    ///
    /// # Errors
    /// It is taken already.
    pub async fn at(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where it is, without a stage.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the function finds `@connections`.
    #[must_use]
    pub fn connections_url(&self) -> String {
        format!("http://{}/{STAGE}", self.address)
    }

    /// Serves connections that `integration` is asked about.
    #[must_use]
    pub fn serve(self, integration: Integration, limits: Limits) -> Gateway {
        let connections = Arc::new(Connections::default());
        let api = Arc::new(Api { integration, limits, connections: Arc::clone(&connections) });
        let routes = Router::new().fallback(pass).with_state(api);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, routes).await {
                panic!("the gateway ended: {error}");
            }
        });
        Gateway { address: self.address, connections, server }
    }
}

impl Gateway {
    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/{STAGE}", self.address)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.lock().len()
    }

    /// Loses every connection, and tells the function of none: what is said of goodbyes is that the gateway does its best.
    pub fn lose_all(&self) {
        self.connections.lock().clear();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The gateway as its requests see it.
struct Api {
    integration: Integration,
    limits: Limits,
    connections: Arc<Connections>,
}

/// The connections that are open, by their names.
#[derive(Debug, Default)]
struct Connections(Mutex<HashMap<String, Open>>);

/// One that is open.
#[derive(Debug, Clone)]
struct Open {
    connected_at: Timestamp,
    active_at: Timestamp,
    out: mpsc::Sender<Out>,
}

/// What goes to a client.
#[derive(Debug)]
enum Out {
    Text(String),
    HangUp,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(State(api): State<Arc<Api>>, request: Request) -> Response {
    let path: Vec<String> =
        request.uri().path().split('/').skip(1).map(callback::decoded).collect();
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [STAGE] | [STAGE, ""] if request.method() == Method::GET => connect(api, request).await,
        [STAGE, "@connections", id] => callback::answer(&api.connections, id, request).await,
        _ => (StatusCode::FORBIDDEN, r#"{"message":"Forbidden"}"#).into_response(),
    }
}

async fn connect(api: Arc<Api>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    if api.connections.lock().len() >= api.limits.connections {
        return (StatusCode::TOO_MANY_REQUESTS, r#"{"message":"Limit Exceeded"}"#).into_response();
    }
    let id = event::connection_id();
    let connected_at = crate::now();
    let asked = event::connect(&parts, &id, connected_at);
    match ask(&api, &asked).await {
        Ok(status) if status.is_success() => {}
        // The status goes on; what else was said does not.
        Ok(status) => return status.into_response(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    }
    upgrade
        .max_frame_size(FRAME_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| serve(api, socket, parts, id, connected_at))
}

async fn ask(api: &Api, event: &Value) -> Result<StatusCode, Failure> {
    let answer = (api.integration)(event.to_string()).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let status =
        answer.get("statusCode").and_then(Value::as_u64).and_then(|s| u16::try_from(s).ok());
    // An answer that is none is taken for a malformed one.
    Ok(status.and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::BAD_GATEWAY))
}

async fn serve(api: Arc<Api>, mut socket: WebSocket, parts: Parts, id: String, since: Timestamp) {
    let (out, mut outgoing) = mpsc::channel(OUT_MAX);
    api.connections.lock().insert(id.clone(), Open { connected_at: since, active_at: since, out });
    let code = talk(&api, &mut socket, &mut outgoing, &parts, &id, since).await;
    let was_lost = api.connections.lock().remove(&id).is_none();
    if let Some(code) = code {
        let frame = CloseFrame { code, reason: "".into() };
        // Whoever is gone needs no goodbye.
        drop(socket.send(Message::Close(Some(frame))).await);
    }
    drop(socket);
    if !was_lost {
        // It does its best, and no more.
        drop(ask(&api, &event::disconnect(&parts, &id, since, code.unwrap_or(1005))).await);
    }
}

/// Until one side ends it; the code with which this side does.
async fn talk(
    api: &Api,
    socket: &mut WebSocket,
    outgoing: &mut mpsc::Receiver<Out>,
    parts: &Parts,
    id: &str,
    since: Timestamp,
) -> Option<u16> {
    let end = Instant::now() + api.limits.open;
    let mut idle = Instant::now() + api.limits.idle;
    loop {
        tokio::select! {
            heard = timeout_at(end.min(idle), socket.recv()) => match heard {
                Err(_) => return Some(close_code::AWAY),
                Ok(Some(Ok(Message::Text(text)))) => {
                    let asked = event::message(parts, id, since, &text);
                    if ask(api, &asked).await.is_err() {
                        let told = json!({"message": "Internal server error", "connectionId": id, "requestId": "standin-request"});
                        drop(socket.send(Message::text(told.to_string())).await);
                    }
                }
                Ok(Some(Ok(Message::Binary(_)))) => return Some(close_code::UNSUPPORTED),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(Some(Ok(Message::Close(_))) | None) => return None,
                // A frame or a message that is too large, or a connection that broke.
                Ok(Some(Err(_))) => return Some(close_code::SIZE),
            },
            told = outgoing.recv() => match told {
                Some(Out::Text(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return None;
                    }
                }
                Some(Out::HangUp) => return Some(close_code::NORMAL),
                // It was lost.
                None => return None,
            },
        }
        idle = Instant::now() + api.limits.idle;
        if let Some(open) = api.connections.lock().get_mut(id) {
            open.active_at = crate::now();
        }
    }
}

/// The stage that it serves.
pub const STAGE: &str = "live";
const FRAME_BYTES_MAX: usize = 32 * 1024;
const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Messages that wait for a client.
const OUT_MAX: usize = 64;
