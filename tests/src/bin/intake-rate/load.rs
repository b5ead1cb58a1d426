//! The clients: each sends one request after another on its own connection, until time is over.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use contract::ingest::IngestAnswer;

use crate::events::Events;

/// How to load a server.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) clients: u32,
    pub(crate) batch: usize,
    /// From one request of a client to its next; zero for as soon as it is answered.
    pub(crate) every: Duration,
    /// When to start sending.
    pub(crate) started: Instant,
    /// When to stop sending.
    pub(crate) until: Instant,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Events that the server acknowledged.
    pub(crate) acknowledged: usize,
    /// Requests that it asked to repeat later.
    pub(crate) deferred: usize,
    /// From the first byte sent to the answer read, of each acknowledged request, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Bytes of all bodies sent and acknowledged.
    pub(crate) bytes: usize,
}

/// Sends until the plan's time is over, while `watch` runs on this thread.
pub(crate) fn run(plan: &Plan, watch: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Seen> {
    let (watched, clients) = thread::scope(|scope| {
        let clients: Vec<_> = (0..plan.clients)
            .map(|number| scope.spawn(move || client(plan, number.into())))
            .collect();
        let watched = watch();
        let join = |client: thread::ScopedJoinHandle<'_, anyhow::Result<Seen>>| client.join();
        (watched, clients.into_iter().map(join).collect::<Vec<_>>())
    });
    watched?;
    let mut all = Seen::default();
    for client in clients {
        let seen = client.map_err(|_| anyhow!("a client panicked"))??;
        all.acknowledged += seen.acknowledged;
        all.deferred += seen.deferred;
        all.bytes += seen.bytes;
        all.latencies.extend(seen.latencies);
    }
    all.latencies.sort_unstable();
    Ok(all)
}

impl Seen {
    /// The latency that so many of a thousand requests did not exceed.
    pub(crate) fn latency(&self, permille: usize) -> Duration {
        let place = self.latencies.len().saturating_sub(1) * permille / 1_000;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

fn client(plan: &Plan, number: u64) -> anyhow::Result<Seen> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let (url, bearer) = (format!("{}/v1/events/batch", plan.url), format!("Bearer {}", plan.key));
    let mut events = Events::of(number);
    let mut seen = Seen::default();
    // Clients take turns. One that is late sends at once, until it has caught up.
    let turn = u32::try_from(number)? % plan.clients.max(1);
    let mut due = plan.started + plan.every * turn / plan.clients.max(1);
    while Instant::now().max(due) < plan.until {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += plan.every;
        let body = events.request(plan.batch);
        let started = Instant::now();
        let request =
            agent.post(&url).header("authorization", &bearer).content_type("application/json");
        let mut response = request.send(body.as_str())?;
        let answer = response.body_mut().read_to_vec()?;
        match response.status().as_u16() {
            202 => {}
            429 | 503 => {
                seen.deferred += 1;
                thread::sleep(Duration::from_millis(200));
                continue;
            }
            status => bail!("the server answered {status}: {}", String::from_utf8_lossy(&answer)),
        }
        seen.latencies.push(started.elapsed());
        let answer: IngestAnswer = serde_json::from_slice(&answer)?;
        if answer.accepted != plan.batch {
            let odd = answer.events.iter().find(|event| event.code.is_some());
            bail!("{} of {} events were accepted: {odd:?}", answer.accepted, plan.batch);
        }
        seen.acknowledged += answer.accepted;
        seen.bytes += body.len();
    }
    Ok(seen)
}
