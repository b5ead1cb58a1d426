//! A deployed suite without an account: the functions' real binaries, the event source mapping, the schedules, the change
//! stream, the HTTP API and a connector, as a plan names them.
//!
//! The plan is what the applier of the template wrote after it had made tables, stream and buckets on the stand-ins.

mod bus;
mod gateway;
mod pattern;
mod plan;
mod queue;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws::{
    Cloud,
    access::{Access, Service},
    resources::{Resource, Resources},
};
use connector::mock::{MockServer, MockSettings, Quirks, Receiver, Shape};
use domain::{profile::Profile, signature::SigningSecret};
use ports::clock::SystemClock;
use pump::{FunctionError, Pump, Settings, StreamFunction};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

pub use bus::{Books, Bus};
pub use gateway::{serve, serve_invocations};
pub use plan::{FunctionPlan, MappingPlan, Plan, QueueMappingPlan, RulePlan, SchedulePlan};

use bus::{Inbox, Wiring};
use queue::QueueMapping;

use crate::{
    Changes,
    lambda::{Failure, Function, Spec},
    proxy::{Action, Proxy, Weather},
    websocket::{Bound, Gateway, Limits, STAGE, integration},
};

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    functions: BTreeMap<String, Arc<Function>>,
    /// Each function's way to the stand-ins.
    ways: BTreeMap<String, Vec<Proxy>>,
    gateway: Gateway,
    bus: Bus,
    changes: Arc<Changes>,
    connector: Receiver,
    _server: MockServer,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// How a platform differs from the plan.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// Instead of the schedules' own rate.
    pub tick: Option<Duration>,
    /// Each change twice, and in reverse order; and so are the bus's events.
    pub untidy: bool,
    /// How the connector misbehaves.
    pub quirks: Quirks,
    /// How the services fail the functions.
    pub weather: Option<Arc<Weather>>,
}

impl Platform {
    /// Starts everything that the plan names; binaries lie in `binaries` under their functions' code names.
    ///
    /// # Errors
    /// A port, a setting or a directory.
    pub async fn start(
        plan: &Plan,
        access: &Access,
        binaries: &Path,
        logs: Option<&Path>,
        pace: Pace,
    ) -> io::Result<Self> {
        let (connector, server) = connector(plan, pace.quirks.clone()).await?;
        let resources = plan.resources();
        let weather = pace.weather.clone().unwrap_or_else(Weather::fair);
        let (mut functions, mut ways) = (BTreeMap::new(), BTreeMap::new());
        let (gateway, bus) = (Bound::at(ANYWHERE).await?, bus::Bound::at(ANYWHERE).await?);
        let wiring = Wiring::of(plan, access, pace.untidy)?;
        let access = &access
            .clone()
            .with_endpoint(Service::Connections, gateway.url())
            .with_endpoint(Service::EventBridge, bus.url());
        for (name, function) in &plan.functions {
            let mut environment = function.environment.clone();
            environment.extend(surroundings());
            let own = ways_of(access, &weather, &mut environment).await?;
            ways.insert(name.clone(), own);
            if function.environment.contains_key("FRICTIONMELT_MOCK_MODE") {
                environment.extend(credentials(&server.url()));
            }
            let spec = Spec {
                name: name.clone(),
                binary: binaries.join(&function.code).join("bootstrap"),
                environment,
                timeout: Duration::from_secs(function.timeout_seconds),
                log: logs.map(|logs| logs.join(format!("{name}.log"))),
            };
            functions.insert(name.clone(), Arc::new(Function::new(spec).await));
        }
        let changes = Arc::new(Changes::of(access, &resources));
        if pace.untidy {
            changes.be_untidy();
        }
        let (stop, stopped) = watch::channel(false);
        let live: Option<&Arc<Function>> = functions.get(&plan.websocket);
        let live = live.ok_or_else(|| io::Error::other("nothing is behind the WebSocket API"))?;
        let gateway = gateway.serve(integration(Arc::clone(live)), Limits::default());
        let Wiring { service, invoked, queues } = wiring;
        let mut platform = Self {
            functions,
            ways,
            gateway,
            bus: bus.serve(service),
            changes,
            connector,
            _server: server,
            stop,
            tasks: JoinSet::new(),
        };
        platform.pump_changes(stopped.clone());
        platform.react(plan, invoked, queues, &stopped)?;
        for mapping in &plan.event_source_mappings {
            platform.map(mapping, access, &resources, stopped.clone())?;
        }
        for schedule in &plan.schedules {
            let every = pace.tick.unwrap_or(Duration::from_secs(schedule.every_seconds));
            let function = platform.function(&schedule.function)?;
            platform.schedule(function, schedule.input.clone(), every, stopped.clone());
        }
        Ok(platform)
    }

    /// A function of the plan.
    ///
    /// # Errors
    /// The plan has none of that name.
    pub fn function(&self, name: &str) -> io::Result<Arc<Function>> {
        let found = self.functions.get(name).map(Arc::clone);
        found.ok_or_else(|| io::Error::other(format!("the plan has no function {name}")))
    }

    /// Every function, by its name.
    #[must_use]
    pub fn functions(&self) -> &BTreeMap<String, Arc<Function>> {
        &self.functions
    }

    /// What a function asked the services for so far.
    #[must_use]
    pub fn seen(&self, function: &str) -> BTreeSet<Action> {
        self.ways.get(function).into_iter().flatten().flat_map(Proxy::seen).collect()
    }

    /// The WebSocket API.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The bus, with the plan's rules.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The external connector.
    #[must_use]
    pub fn connector(&self) -> &Receiver {
        &self.connector
    }

    /// The change stream.
    #[must_use]
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Ends everything, finishing what is under way.
    pub async fn stop(mut self) {
        // Nobody listens when every task has ended.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }

    fn pump_changes(&mut self, mut stopped: watch::Receiver<bool>) {
        let changes = Arc::clone(&self.changes);
        self.tasks.spawn(async move {
            while !*stopped.borrow() {
                changes.pump().await;
                tokio::select! {
                    _ = stopped.changed() => {}
                    () = tokio::time::sleep(CHANGES_EVERY) => {}
                }
            }
        });
    }

    fn map(
        &mut self,
        mapping: &MappingPlan,
        access: &Access,
        resources: &Resources,
        stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let settings = Settings {
            batch_size: mapping.batch_size,
            window_ms: mapping.window_seconds.saturating_mul(1_000),
            bisect: mapping.bisect,
            // -1 is without end.
            max_retries: u32::try_from(mapping.maximum_retry_attempts).ok(),
            max_age_ms: Some(mapping.maximum_record_age_seconds.saturating_mul(1_000)),
            ..Settings::of(mapping.consumer.clone())
        };
        let cloud = Cloud::new(access, resources.clone());
        let function = Mapped(self.function(&mapping.function)?);
        let pump = Arc::new(Pump::new(cloud, function, SystemClock, settings));
        let (wake, woken) = watch::channel(());
        self.tasks.spawn(async move {
            if let Err(error) = pump.run(woken, stopped).await {
                panic!("the event source mapping ended: {error}");
            }
            drop(wake);
        });
        Ok(())
    }

    /// Runs what the bus's rules lead to.
    fn react(
        &mut self,
        plan: &Plan,
        invoked: Vec<(String, Inbox)>,
        mut queues: BTreeMap<String, Inbox>,
        stopped: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        for (name, inbox) in invoked {
            let function = self.function(&name)?;
            let books = self.bus.books().clone();
            self.tasks.spawn(bus::invoke_each(function, inbox, books, stopped.clone()));
        }
        for mapping in &plan.queue_mappings {
            let Some(inbox) = queues.remove(&mapping.queue) else { continue };
            let function = self.function(&mapping.function)?;
            let books = self.bus.books().clone();
            let mapping = QueueMapping { plan: mapping.clone(), function, inbox, books };
            self.tasks.spawn(mapping.run(stopped.clone()));
        }
        Ok(())
    }

    fn schedule(
        &mut self,
        function: Arc<Function>,
        input: String,
        every: Duration,
        mut stopped: watch::Receiver<bool>,
    ) {
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.changed() => return,
                    () = tokio::time::sleep(every) => {}
                }
                // A tick that fails is not repeated: the next one comes.
                drop(function.invoke(input.clone()).await);
            }
        });
    }
}

/// A tick as the scheduler sends it where no input is set.
#[must_use]
pub fn tick() -> String {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": "2026-02-12T00:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:scheduler:eu-central-1:000000000000:schedule/default/tick"],
        "detail": "{}"
    })
    .to_string()
}

/// A function behind an event source mapping.
struct Mapped(Arc<Function>);

impl StreamFunction for Mapped {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        match self.0.invoke(payload.to_owned()).await {
            Ok(answer) => String::from_utf8(answer.to_vec()).map_err(FunctionError::failed),
            Err(failure @ Failure::NotStarted(_)) => Err(FunctionError::NotRun(failure.into())),
            Err(failure) => Err(FunctionError::failed(failure)),
        }
    }
}

/// A function's own way to every stand-in, named in its environment.
async fn ways_of(
    access: &Access,
    weather: &Arc<Weather>,
    environment: &mut BTreeMap<String, String>,
) -> io::Result<Vec<Proxy>> {
    let mut ways = Vec::new();
    for service in Service::ALL {
        let Some(upstream) = access.endpoint(service) else { continue };
        let proxy = Proxy::start(upstream, Arc::clone(weather)).await?;
        let url = match service {
            Service::Connections => format!("{}/{STAGE}", proxy.url()),
            Service::DynamoDb
            | Service::EventBridge
            | Service::Kinesis
            | Service::Kms
            | Service::S3
            | Service::SecretsManager => proxy.url().to_owned(),
        };
        environment.insert(service.endpoint_variable().to_owned(), url);
        ways.push(proxy);
    }
    Ok(ways)
}

async fn connector(plan: &Plan, quirks: Quirks) -> io::Result<(Receiver, MockServer)> {
    let profile = plan.functions.values().find_map(|f| f.environment.get("FRICTIONMELT_PROFILE"));
    let profile = profile.map_or("athena-eu", String::as_str);
    let profile = Profile::parse(profile).map_err(io::Error::other)?;
    let shape = if profile.name == "athena-eu" { Shape::Flat } else { Shape::Wrapped };
    let signing = SigningSecret::parse_all(SIGNING).map_err(io::Error::other)?;
    let settings = MockSettings { profile, key: KEY.to_owned(), signing, shape, quirks };
    let receiver = Receiver::new(settings);
    let server = MockServer::start(receiver.clone(), SystemClock, 0).await?;
    Ok((receiver, server))
}

/// What tells the batcher of the connector here instead of the one outside.
fn credentials(url: &str) -> [(String, String); 4] {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    [
        own("FRICTIONMELT_MOCK_MODE", "false"),
        own("FRICTIONMELT_API_URL", url),
        own("FRICTIONMELT_API_KEY", KEY),
        own("FRICTIONMELT_SIGNING_SECRET", SIGNING),
    ]
}

impl Plan {
    /// The names of the plan's things, taken from the variables that its functions are given.
    #[must_use]
    pub fn resources(&self) -> Resources {
        let name = |resource: Resource| {
            let mut found =
                self.functions.values().filter_map(|f| f.environment.get(resource.variable()));
            found.next().map(|name| (resource, name.clone()))
        };
        Resources::named(Resource::ALL.into_iter().filter_map(name))
    }
}

/// What Lambda would set.
fn surroundings() -> [(String, String); 7] {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    [
        own("AWS_REGION", "eu-central-1"),
        own("AWS_ACCESS_KEY_ID", "standin"),
        own("AWS_SECRET_ACCESS_KEY", "standin-secret"),
        // Attempts would otherwise wait as long as they do in an account.
        own("PROCESSOR_BACKOFF_MS", "500"),
        own("SESSIONIZER_BACKOFF_MS", "500"),
        own("WAREHOUSE_BACKOFF_MS", "500"),
        // Sessions would be held open for five minutes.
        own("SESSION_GRACE_MS", "500"),
    ]
}

const ANYWHERE: &str = "127.0.0.1:0";
const CHANGES_EVERY: Duration = Duration::from_millis(200);
/// What protects a connector that exists for as long as this process.
const KEY: &str = "stand-in-connector-key";
const SIGNING: &str = "whsec_c3RhbmQtaW4tc2lnbmluZy1zZWNyZXQtMDAwMDAw";
