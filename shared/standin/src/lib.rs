//! A corner of the stand-ins for AWS, for one test: tables, a stream, buckets, a bus and keys of its own.
//!
//! `scripts/stand-ins run COMMAND` starts the stand-ins and sets `AWS_ENDPOINT_URL_…`; everything here panics without
//! them, because a test that silently skips is green for nothing.

mod changes;
pub mod events;
mod http;
pub mod lambda;
#[cfg(feature = "platform")]
pub mod platform;
mod provision;
pub mod proxy;
pub mod websocket;

use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws::{
    Cloud,
    access::{Access, Service},
    resources::{Resource, Resources},
};
use ports::{
    clock::{Clock as _, SystemClock},
    faulty::{CatchUp, FaultPlan, Faulty},
};
use tokio::runtime::Runtime;

pub use changes::Changes;
use lambda::{Function, Spec};
use proxy::{Proxy, Weather};

/// A test's own corner.
#[derive(Debug, Clone)]
pub struct Corner {
    access: Access,
    resources: Resources,
    changes: Arc<Changes>,
}

impl Corner {
    /// Makes tables, stream, buckets, bus and secret under names nobody else has.
    ///
    /// # Panics
    /// Without stand-ins.
    pub async fn open() -> Self {
        let access = match Access::read(|name| std::env::var(name).ok()) {
            Ok(access) if std::env::var("AWS_ENDPOINT_URL_DYNAMODB").is_ok() => access,
            Ok(_) | Err(_) => panic!("no stand-ins: run this through scripts/stand-ins run"),
        };
        let resources = provision::corner(&access).await;
        let changes = Arc::new(Changes::of(&access, &resources));
        Self { access, resources, changes }
    }

    /// The way to the stand-ins.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The corner's names.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Starts a binary as Lambda would, with the variables of `needed` and those given; its log goes to `log`.
    ///
    /// # Panics
    /// No port is free.
    pub async fn function(
        &self,
        binary: &str,
        needed: &[Resource],
        more: &[(&str, &str)],
        log: &Path,
    ) -> Function {
        let named = needed.iter().map(|resource| (*resource, self.name(*resource).to_owned()));
        let mut environment = events::environment(self, &Resources::named(named));
        environment
            .extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        environment.retain(|_, value| !value.is_empty());
        Function::new(Spec {
            name: "function".to_owned(),
            binary: binary.into(),
            environment,
            timeout: Duration::from_secs(30),
            log: Some(log.to_owned()),
        })
        .await
    }

    /// The name of one of its things.
    ///
    /// # Panics
    /// A corner has them all.
    #[must_use]
    pub fn name(&self, resource: Resource) -> &str {
        match self.resources.name(resource) {
            Ok(name) => name,
            Err(error) => panic!("{error}"),
        }
    }

    /// The ports over this corner.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        Cloud::new(&self.access, self.resources.clone())
    }

    /// The ports over this corner, whose services fail as `weather` says for as long as the ways are kept.
    ///
    /// # Panics
    /// No port is free.
    pub async fn behind(&self, weather: Arc<Weather>) -> (Cloud, Vec<Proxy>) {
        let (mut access, mut ways) = (self.access.clone(), Vec::new());
        for service in Service::ALL {
            let Some(upstream) = self.access.endpoint(service) else { continue };
            let way = match Proxy::start(upstream, Arc::clone(&weather)).await {
                Ok(way) => way,
                Err(error) => panic!("no way to a stand-in: {error}"),
            };
            access = access.with_endpoint(service, way.url());
            ways.push(way);
        }
        (Cloud::new(&access, self.resources.clone()), ways)
    }

    /// What brings the staging table's changes to the stream, as DynamoDB does by itself.
    #[must_use]
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// The ports over this corner; whoever reads the stream finds every change there.
    #[must_use]
    pub fn world(&self) -> Faulty<Cloud> {
        self.decorate(self.cloud(), FaultPlan::none())
    }

    /// `world` failing as `plan` says; whoever reads the stream finds every change there.
    #[must_use]
    pub fn decorate<W>(&self, world: W, plan: FaultPlan) -> Faulty<W> {
        let changes = Arc::clone(&self.changes);
        let catch_up: CatchUp = Arc::new(move || {
            let changes = Arc::clone(&changes);
            Box::pin(async move {
                changes.pump().await;
            })
        });
        Faulty::new(world, plan).catching_up(catch_up)
    }
}

/// Now.
#[must_use]
pub fn now() -> contract::Timestamp {
    SystemClock.now()
}

/// Runs a future on the one runtime of this process, which keeps the connections of all clients.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| match Runtime::new() {
    Ok(runtime) => runtime,
    Err(error) => panic!("no runtime: {error}"),
});
