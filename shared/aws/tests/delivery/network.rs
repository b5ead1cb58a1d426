//! A network between the adapters and the stand-ins that loses requests or answers, answers itself, and lets something
//! else happen first.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use ports::chance::Chance;

/// The network. Clones share what is arranged.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    arranged: Vec<Arranged>,
    storm: Option<Chance>,
    calls: BTreeMap<String, usize>,
}

struct Arranged {
    operation: &'static str,
    about: String,
    trouble: Trouble,
}

/// What happens to one request.
pub(crate) enum Trouble {
    /// It never arrives.
    Refuse,
    /// It arrives, and its answer is lost.
    Lose,
    /// The service answers with an error of this type instead.
    Error(&'static str),
    /// First this, then the request.
    Meanwhile(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Network {
    /// The next request of `operation` whose body names `about` has this trouble; those arranged first come first.
    pub(crate) fn arrange(&self, operation: &'static str, about: &str, trouble: Trouble) {
        self.state().arranged.push(Arranged { operation, about: about.to_owned(), trouble });
    }

    /// The next `times` requests have it.
    pub(crate) fn arrange_all(
        &self,
        times: usize,
        operation: &'static str,
        about: &str,
        trouble: fn() -> Trouble,
    ) {
        (0..times).for_each(|_| self.arrange(operation, about, trouble()));
    }

    /// From here on one request in ten that writes has trouble, by chance.
    pub(crate) fn storm(&self, seed: u64) {
        self.state().storm = Some(Chance::of(seed));
    }

    /// What was arranged and has not happened does not happen any more.
    pub(crate) fn settle(&self) {
        let mut state = self.state();
        state.arranged.clear();
        state.storm = None;
    }

    /// How many requests of `operation` were made.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.state().calls.get(operation).copied().unwrap_or(0)
    }

    /// A client over this network.
    pub(crate) fn client(&self) -> SharedHttpClient {
        let (network, real) = (self.clone(), aws::access::http_client());
        http_client_fn(move |settings, components| {
            let real = real.http_connector(settings, components);
            SharedHttpConnector::new(Wire { network: network.clone(), real })
        })
    }

    fn next(&self, request: &HttpRequest) -> Option<Trouble> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
        let mut state = self.state();
        *state.calls.entry(operation.to_owned()).or_default() += 1;
        let is_meant =
            |arranged: &Arranged| arranged.operation == operation && body.contains(&arranged.about);
        if let Some(at) = state.arranged.iter().position(is_meant) {
            return Some(state.arranged.remove(at).trouble);
        }
        let writes = ["PutItem", "UpdateItem", "TransactWriteItems"].contains(&operation);
        let storm = state.storm.as_mut().filter(|_| writes)?;
        match storm.below(40) {
            0 => Some(Trouble::Refuse),
            1 => Some(Trouble::Lose),
            2 | 3 if operation == "TransactWriteItems" => {
                Some(Trouble::Error("TransactionCanceledException"))
            }
            2 | 3 => Some(Trouble::Error("TransactionConflictException")),
            _ => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Wire {
    network: Network,
    real: SharedHttpConnector,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { network, real } = self.clone();
        HttpConnectorFuture::new(async move {
            match network.next(&request) {
                None => real.call(request).await,
                Some(Trouble::Refuse) => Err(ConnectorError::io("refused".into())),
                Some(Trouble::Lose) => {
                    real.call(request).await?;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
                Some(Trouble::Error(kind)) => Ok(answer(kind)),
                Some(Trouble::Meanwhile(first)) => {
                    first.await;
                    real.call(request).await
                }
            }
        })
    }
}

fn answer(kind: &str) -> HttpResponse {
    // Only a cancelled transaction has reasons.
    let reasons = r#"[{"Code":"None"},{"Code":"TransactionConflict"}]"#;
    let body =
        format!(r#"{{"__type":"{kind}","message":"arranged","CancellationReasons":{reasons}}}"#);
    let mut answer = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body));
    answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    answer
}
