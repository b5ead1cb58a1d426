//! EventBridge with the rules of a plan: what is put goes on to the stand-in, which keeps no rules here, and what that took goes
//! to the targets of every rule that matches. As documented each event comes at least once, and in no order.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use aws::access::{Access, Service as Endpoint};

use super::{Plan, pattern::Pattern};
use crate::{
    http::{Client, client, forward},
    lambda::Function,
};

/// A bus's place, before it serves.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A bus. It ends when it is dropped.
#[derive(Debug)]
pub struct Bus {
    address: SocketAddr,
    books: Books,
    server: JoinHandle<()>,
}

/// What became of what was put.
#[derive(Debug, Clone, Default)]
pub struct Books(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicUsize,
    delivered: AtomicUsize,
    given_up: AtomicUsize,
}

/// What waits for a target.
pub(crate) type Inbox = mpsc::UnboundedReceiver<String>;

/// What a plan's rules lead to.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) service: Service,
    /// Functions that are invoked.
    pub(crate) invoked: Vec<(String, Inbox)>,
    /// Queues, by their names.
    pub(crate) queues: BTreeMap<String, Inbox>,
}

/// A rule with the inboxes of its targets.
#[derive(Debug)]
struct Rule {
    bus: String,
    pattern: Pattern,
    targets: Vec<mpsc::UnboundedSender<String>>,
}

/// What a bus does with what it takes.
#[derive(Debug)]
pub(crate) struct Service {
    upstream: String,
    rules: Vec<Rule>,
    books: Books,
    /// Each event twice, and those of a request in reverse order.
    untidy: bool,
}

impl Wiring {
    /// # Errors
    /// The bus has no stand-in, or a rule says what this bus cannot judge.
    pub(crate) fn of(plan: &Plan, access: &Access, untidy: bool) -> io::Result<Self> {
        let upstream = access.endpoint(Endpoint::EventBridge);
        let upstream = upstream.ok_or_else(|| io::Error::other("the bus has no stand-in"))?;
        let (mut rules, mut invoked) = (Vec::new(), Vec::new());
        let mut queues: BTreeMap<String, (mpsc::UnboundedSender<String>, Inbox)> = BTreeMap::new();
        for rule in &plan.rules {
            let mut targets = Vec::new();
            for function in &rule.functions {
                let (sender, inbox) = mpsc::unbounded_channel();
                invoked.push((function.clone(), inbox));
                targets.push(sender);
            }
            for queue in &rule.queues {
                let queue = queues.entry(queue.clone()).or_insert_with(mpsc::unbounded_channel);
                targets.push(queue.0.clone());
            }
            let pattern = Pattern::parse(&rule.pattern);
            let pattern =
                pattern.map_err(|error| io::Error::other(format!("{}: {error}", rule.name)))?;
            rules.push(Rule { bus: rule.bus.clone(), pattern, targets });
        }
        let upstream = upstream.trim_end_matches('/').to_owned();
        let service = Service { upstream, rules, books: Books::default(), untidy };
        let queues = queues.into_iter().map(|(name, (_, inbox))| (name, inbox)).collect();
        Ok(Self { service, invoked, queues })
    }
}

impl Bound {
    /// Takes `address`.
    pub(crate) async fn at(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, service: Service) -> Bus {
        let books = service.books.clone();
        let state = Arc::new((client(), service));
        let routes = Router::new().fallback(pass).with_state(state);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, routes).await {
                panic!("the bus ended: {error}");
            }
        });
        Bus { address: self.address, books, server }
    }
}

impl Bus {
    /// Where events are put.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What became of them.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Books {
    /// Events that were put.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Deliveries to targets, repeated ones included.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Deliveries that were tried as often as they may be.
    #[must_use]
    pub fn dead(&self) -> usize {
        self.0.given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn delivered(&self, count: usize) {
        self.0.delivered.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn gave_up(&self, count: usize) {
        self.0.given_up.fetch_add(count, Ordering::Relaxed);
    }
}

/// Hands each event of an inbox to a function, as Lambda's asynchronous invocation does: a failure is tried twice more.
pub(crate) async fn invoke_each(
    function: Arc<Function>,
    mut inbox: mpsc::UnboundedReceiver<String>,
    books: Books,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let event = tokio::select! {
            _ = stopped.changed() => return,
            event = inbox.recv() => event,
        };
        let Some(event) = event else { return };
        let mut left = INVOCATIONS_MAX;
        loop {
            left -= 1;
            match function.invoke(event.clone()).await {
                Ok(_) => break books.delivered(1),
                Err(_) if left == 0 => break books.gave_up(1),
                Err(_) => {}
            }
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(AGAIN_AFTER) => {}
            }
        }
    }
}

async fn pass(State(state): State<Arc<(Client, Service)>>, request: Request) -> Response {
    let (client, service) = &*state;
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let is_put = target.is_some_and(|target| target.ends_with(".PutEvents"));
    let Ok(answer) = forward(client, &service.upstream, &parts, body.clone()).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if is_put && answer.status().is_success() {
        service.take(&body, answer.body());
    }
    answer.map(Body::from)
}

impl Service {
    /// Sends what the stand-in took to the targets.
    fn take(&self, asked: &Bytes, answered: &Bytes) {
        let entries = |text: &Bytes| -> Vec<Value> {
            let mut told: Value = serde_json::from_slice(text).unwrap_or_default();
            match told.get_mut("Entries").map(Value::take) {
                Some(Value::Array(entries)) => entries,
                Some(_) | None => Vec::new(),
            }
        };
        let answers = entries(answered);
        let taken = entries(asked).into_iter().zip(&answers).filter_map(|(entry, answer)| {
            let id = answer.get("EventId")?.as_str()?;
            Some((entry.get("EventBusName")?.as_str()?.to_owned(), event(&entry, id)?))
        });
        let mut taken: Vec<_> = taken.collect();
        self.books.0.taken.fetch_add(taken.len(), Ordering::Relaxed);
        if self.untidy {
            taken.reverse();
            taken.extend(taken.clone());
        }
        for (bus, event) in &taken {
            let rules = self.rules.iter().filter(|rule| rule.bus == *bus);
            for target in rules.filter(|rule| rule.pattern.matches(event)).flat_map(|r| &r.targets)
            {
                // Nobody reads the inbox of a platform that ends.
                drop(target.send(event.to_string()));
            }
        }
    }
}

/// An entry as its targets get it.
fn event(entry: &Value, id: &str) -> Option<Value> {
    let detail: Value = serde_json::from_str(entry.get("Detail")?.as_str()?).ok()?;
    Some(json!({
        "version": "0",
        "id": id,
        "detail-type": entry.get("DetailType")?,
        "source": entry.get("Source")?,
        "account": "000000000000",
        "time": crate::now().to_string(),
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }))
}

/// Once, and twice more.
const INVOCATIONS_MAX: u32 = 3;
/// Instead of a minute.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const BODY_BYTES_MAX: usize = 1024 * 1024;
