//! A network on which some requests are answered by a script, and every request is kept.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
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
use serde_json::{Value, json};

/// The network. Clones share what is scripted and kept.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: VecDeque<(&'static str, Reply)>,
    asked: Vec<(String, Value)>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The service answers this, without having been asked.
    Told(Value),
    /// It answers with an error of this type, without having been asked.
    Refused(&'static str),
    /// It does what was asked, and the answer is lost.
    Lost,
}

impl Wire {
    /// The next request of `operation` that nothing is scripted for yet has this reply.
    pub(crate) fn script(&self, operation: &'static str, reply: Reply) {
        self.state().script.push_back((operation, reply));
    }

    /// The bodies of the requests of `operation` so far.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Value> {
        let state = self.state();
        let asked = state.asked.iter().filter(|(name, _)| name == operation);
        asked.map(|(_, body)| body.clone()).collect()
    }

    /// A client over this network.
    pub(crate) fn client(&self) -> SharedHttpClient {
        let (wire, real) = (self.clone(), aws::access::http_client());
        http_client_fn(move |settings, components| {
            let real = real.http_connector(settings, components);
            SharedHttpConnector::new(Connector { wire: wire.clone(), real })
        })
    }

    fn next(&self, request: &HttpRequest) -> Option<Reply> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let mut state = self.state();
        let place = state.script.iter().position(|(name, _)| *name == operation);
        state.asked.push((operation, body));
        place.and_then(|at| state.script.remove(at)).map(|(_, reply)| reply)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[derive(Clone)]
struct Connector {
    wire: Wire,
    real: SharedHttpConnector,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { wire, real } = self.clone();
        HttpConnectorFuture::new(async move {
            match wire.next(&request) {
                None => real.call(request).await,
                Some(Reply::Told(body)) => Ok(response(200, &body)),
                Some(Reply::Refused(kind)) => Ok(response(400, &json!({"__type": kind}))),
                Some(Reply::Lost) => {
                    real.call(request).await?;
                    Err(ConnectorError::io("the answer was lost".into()))
                }
            }
        })
    }
}

fn response(status: u16, body: &Value) -> HttpResponse {
    let mut response =
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    response
}
