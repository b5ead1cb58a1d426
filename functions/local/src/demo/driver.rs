//! Drives the plan through the two ways in, and waits until the books are settled.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use contract::{OrgId, ingest::IngestAnswer, problem::Problem};
use domain::api_key::Scope;
use ports::{
    accounts::Accounts as _,
    clock::{Clock as _, SystemClock},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    Progress,
    emitting::{self, Host},
    plan::{OrgPlan, Plan},
};
use crate::{commands::keys, suite::Suite};

/// The simulated product, connected to the suite.
pub(crate) struct Driver {
    plan: Plan,
    client: reqwest::Client,
    url: String,
    server: JoinHandle<()>,
    keys: Vec<String>,
    hosts: Vec<Host>,
}

impl Driver {
    /// Opens the door on a loopback port, and makes organisations, keys and hosts.
    pub(crate) async fn new(suite: &Suite, plan: Plan) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
        let url = format!("http://{}/v1/events/batch", listener.local_addr()?);
        let router = suite.router();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the door closed: {error}");
            }
        });
        let (mut made, mut hosts) = (Vec::new(), Vec::new());
        for OrgPlan { org, .. } in &plan.orgs {
            made.push(
                keys::create(&suite.world, org, &[Scope::Ingest], SystemClock.now()).await?.key,
            );
            hosts.push(emitting::host(&suite.world, org).await?);
        }
        let client = connector::operator::client(Duration::from_secs(20))?;
        Ok(Self { plan, client, url, server, keys: made, hosts })
    }

    /// Identifiers that must not be found afterwards.
    pub(crate) fn planted(&self) -> &BTreeSet<String> {
        &self.plan.planted
    }

    /// Sends everything, both ways at once.
    pub(crate) async fn drive(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let door = async {
            for (plan, key) in self.plan.orgs.iter().zip(&self.keys) {
                for batch in plan.posted.chunks(POSTED_AT_ONCE) {
                    self.post(&plan.org, key, batch).await?;
                }
                progress.say(&format!("{}: {} events posted", plan.org, plan.posted.len()));
            }
            anyhow::Ok(())
        };
        let emitters = async {
            for (plan, host) in self.plan.orgs.iter().zip(&self.hosts) {
                for occasions in plan.emitted.chunks(EMITTED_AT_ONCE) {
                    for occasion in occasions {
                        emitting::emit(host, occasion);
                    }
                    host.flush(Duration::from_secs(10)).await;
                }
                let stats = host.stats();
                if stats.held > 0 || stats.dropped > 0 || stats.rejected_total() > 0 {
                    bail!("{}: the emitter could not store everything: {stats:?}", plan.org);
                }
                progress.say(&format!("{}: {} events emitted", plan.org, stats.emitted));
            }
            anyhow::Ok(())
        };
        tokio::try_join!(door, emitters)?;
        Ok(())
    }

    async fn post(&self, org: &OrgId, key: &str, events: &[Value]) -> anyhow::Result<()> {
        let request =
            self.client.post(&self.url).bearer_auth(key).header("content-type", "application/json");
        let response = request.body(json!({ "events": events }).to_string()).send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        match status {
            202 => {
                let answer: IngestAnswer = serde_json::from_slice(&body)?;
                if answer.events.len() != events.len() {
                    bail!("{org}: {} events sent, {} answered", events.len(), answer.events.len());
                }
                Ok(())
            }
            422 => Ok(()),
            _ => {
                let problem: Problem = serde_json::from_slice(&body)?;
                bail!("{org}: the door answered {status}: {}", problem.title)
            }
        }
    }

    /// Waits until nothing is in flight or pending.
    pub(crate) async fn settle(
        &self,
        suite: &Suite,
        patience: Duration,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut told = Instant::now();
        loop {
            let ledger = suite.world.ledger(None, SystemClock.now()).await?;
            let pending: u64 = ledger.orgs.iter().map(|org| org.pending).sum();
            if ledger.stream_lag == 0 && pending == 0 {
                self.server.abort();
                return Ok(());
            }
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                progress.say(&format!(
                    "{} records in the stream, {pending} events on their way",
                    ledger.stream_lag
                ));
            }
            if started.elapsed() > patience {
                bail!(
                    "{} records and {pending} events are not settled after {} s",
                    ledger.stream_lag,
                    patience.as_secs()
                );
            }
            suite.tick().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

const POSTED_AT_ONCE: usize = 200;
/// Well within the emitter's ring.
const EMITTED_AT_ONCE: usize = 500;
