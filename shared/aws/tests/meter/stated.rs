//! What the stand-in for DynamoDB says that calls cost, indexes included, and how many had to come before each.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::{bill, gate::Gate, wire::read};

/// An HTTP client that asks every call what it cost.
#[derive(Clone)]
pub(crate) struct Stated {
    under: SharedHttpClient,
    seen: Arc<Mutex<Cost>>,
    gate: Arc<Gate>,
}

/// What was stated.
#[derive(Debug, Default, Clone)]
pub(crate) struct Cost {
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
    pub(crate) round_trips: usize,
    /// Calls, and their units, by what was called.
    calls: BTreeMap<String, (usize, f64)>,
}

impl Stated {
    pub(crate) fn new(under: SharedHttpClient) -> Self {
        Self { under, seen: Arc::default(), gate: Arc::default() }
    }

    /// Runs `work`; what it cost, and its answer.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> (Cost, T) {
        let done = self.gate.run(work).await;
        (std::mem::take(&mut self.seen.lock().unwrap()), done)
    }
}

impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stated").finish_non_exhaustive()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { write_units, read_units, round_trips, calls } = self;
        writeln!(
            f,
            "{write_units} write units, {read_units} read units, {round_trips} round trips"
        )?;
        for (call, (times, units)) in calls {
            writeln!(f, "  {call} x {times}: {units}")?;
        }
        Ok(())
    }
}

impl HttpClient for Stated {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let under = self.under.http_connector(settings, components);
        SharedHttpConnector::new(Wire { under, stated: self.clone() })
    }
}

#[derive(Debug)]
struct Wire {
    under: SharedHttpConnector,
    stated: Stated,
}

impl HttpConnector for Wire {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or(request.method()).to_owned();
        let asked: Option<Value> =
            request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        if let (true, Some(mut asked)) = (target.starts_with("DynamoDB"), asked) {
            asked["ReturnConsumedCapacity"] = json!("INDEXES");
            let body = asked.to_string();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
        }
        let asking = Gate::ask(&self.stated.gate);
        let (answer, stated) = (self.under.call(request), self.stated.clone());
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let (told, is_done) = read(&mut answer).await?;
            stated.seen.lock().unwrap().add(&target, &told, is_done, asking.round());
            asking.answer().await;
            Ok(answer)
        })
    }
}

impl Cost {
    fn add(&mut self, target: &str, told: &Value, is_done: bool, round: usize) {
        let operation = target.rsplit('.').next().unwrap();
        self.round_trips = self.round_trips.max(round);
        let is_read = ["Query", "GetItem", "BatchGetItem"].contains(&operation);
        let kind = if is_read { "ReadCapacityUnits" } else { "WriteCapacityUnits" };
        let is_conditional =
            told["__type"].as_str().is_some_and(|kind| kind.contains("Conditional"));
        // A write whose condition does not hold costs what it would have cost, which nothing states.
        let units = if is_conditional { 1.0 } else { bill::stated(told, kind) };
        let name = if is_done { operation.to_owned() } else { format!("{operation}, refused") };
        let call = self.calls.entry(name).or_default();
        *call = (call.0 + 1, call.1 + units);
        if is_read {
            self.read_units += units;
        } else {
            self.write_units += units;
        }
    }
}
