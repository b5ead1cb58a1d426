//! The sink behind the embedded store, in a process that lives on: a pump of its own for the stream, and a reader of the
//! announcements, each with its own place. A warehouse that is away costs nobody else anything.

use std::{sync::Arc, time::Duration};

use contract::limits::SECOND_MS;
use embedded::Store;
use ports::{
    bus::Announcement,
    clock::{Clock as _, SystemClock},
    warehouse::Warehouse,
};
use pump::{FunctionError, Pump, Settings, StreamFunction};
use serde_json::{json, value::RawValue};
use tokio::{sync::watch, time::sleep};

use crate::{Outcome, Sink};

/// A sink of the embedded store.
pub type Standalone<W> = Sink<W, Store, SystemClock>;

/// How much is gathered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many records, or announcements, are inserted at once.
    pub batch: usize,
    /// Fewer of them wait so long for others, counted from the oldest, ms.
    pub window_ms: i64,
    /// The first pause after a failure, ms; it doubles from failure to failure.
    pub backoff_min_ms: i64,
    /// The longest pause after a failure, ms.
    pub backoff_max_ms: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch: 100,
            window_ms: 10 * SECOND_MS,
            backoff_min_ms: SECOND_MS,
            backoff_max_ms: 60 * SECOND_MS,
        }
    }
}

impl Pace {
    /// Tried until it is done: nothing is ever given up, since what is refused for what it holds is set aside.
    fn settings(self) -> Settings {
        Settings {
            batch_size: self.batch,
            window_ms: self.window_ms,
            bisect: false,
            max_retries: None,
            max_age_ms: None,
            backoff_min_ms: self.backoff_min_ms,
            backoff_max_ms: self.backoff_max_ms,
            ..Settings::of(CONSUMER)
        }
    }
}

/// Feeds the sink with the stream and the announcements until it is stopped; an insert under way is waited for a moment, and is
/// made again by the next start when it takes longer.
pub async fn feed<W: Warehouse + 'static>(
    sink: Arc<Standalone<W>>,
    world: Store,
    pace: Pace,
    stopping: watch::Receiver<bool>,
) {
    let mut stopped = stopping.clone();
    let both = async {
        tokio::join!(
            events(Arc::clone(&sink), world.clone(), pace, stopping.clone()),
            announcements(sink, world, pace, stopping),
        );
    };
    let patience = async {
        // An error says that whoever could stop this is gone, and so should this be.
        let _ = stopped.wait_for(|stop| *stop).await;
        sleep(PATIENCE).await;
    };
    tokio::select! {
        () = both => {}
        () = patience => {}
    }
}

/// Pumps the stream into the sink until it is stopped.
pub async fn events<W: Warehouse + 'static>(
    sink: Arc<Standalone<W>>,
    world: Store,
    pace: Pace,
    stopping: watch::Receiver<bool>,
) {
    let pump = Pump::new(world.clone(), Behind(sink), SystemClock, pace.settings());
    let pumped = Arc::new(pump).run(world.appended(), stopping).await;
    if let Err(error) = pumped {
        tracing::error!(%error, "the pump of the warehouse stopped: {error}");
    }
}

/// Hands announcements to the sink, in their order, until it is stopped.
pub async fn announcements<W: Warehouse>(
    sink: Arc<Standalone<W>>,
    world: Store,
    pace: Pace,
    mut stopping: watch::Receiver<bool>,
) {
    let mut failures = 0;
    while !*stopping.borrow() && stopping.has_changed().is_ok() {
        let pause = match step(&sink, &world, pace).await {
            Ok(pause) => {
                failures = 0;
                pause
            }
            Err(why) => {
                failures += 1;
                if let Some(why) = why {
                    tracing::warn!("announcements wait for the warehouse: {why}");
                }
                pace.settings().backoff_ms(failures)
            }
        };
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = sleep(Duration::from_millis(u64::try_from(pause).unwrap_or(0))) => {}
        }
    }
}

/// Hands one batch over and answers how long to wait for the next, ms; an error without words was told already.
async fn step<W: Warehouse>(
    sink: &Standalone<W>,
    world: &Store,
    pace: Pace,
) -> Result<i64, Option<String>> {
    let told = |error: ports::PortError| Some(error.to_string());
    let after = world.heard(CONSUMER).await.map_err(told)?;
    let page = world.announcements(after, pace.batch.max(1)).await.map_err(told)?;
    let (Some((_, first)), Some((last, _))) = (page.first(), page.last()) else {
        return Ok(POLL_MS);
    };
    let waited = SystemClock.now().since_ms(first.at);
    if page.len() < pace.batch && (0..pace.window_ms).contains(&waited) {
        return Ok(POLL_MS.min(pace.window_ms - waited));
    }
    let handled = sink.handle_bus(&queued(&page)).await;
    match handled.map_err(|error| Some(error.to_string()))?.outcome {
        // One that cannot be read was told, and is not waited for: nobody will mend it.
        Outcome::Done => world.hear(CONSUMER, *last).await.map_err(told)?,
        Outcome::Postponed => return Err(None),
    }
    Ok(0)
}

/// Announcements as a queue behind the bus would hand them over.
#[must_use]
pub fn queued(page: &[(u64, Announcement)]) -> String {
    let message = |(position, announcement): &(u64, Announcement)| {
        let Announcement { id, kind, org, at, detail } = announcement;
        let fact = detail.clone().and_then(|detail| RawValue::from_string(detail).ok());
        let body = serde_json::to_string(&Told {
            detail_type: kind.as_str(),
            detail: Detail { id, org: org.as_str(), at: &at.to_string(), detail: fact },
        });
        json!({
            "messageId": position.to_string(),
            "eventSource": "aws:sqs",
            "body": body.unwrap_or_default(),
        })
    };
    json!({ "Records": page.iter().map(message).collect::<Vec<_>>() }).to_string()
}

#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
struct Told<'a> {
    detail_type: &'a str,
    detail: Detail<'a>,
}

#[derive(serde::Serialize)]
struct Detail<'a> {
    id: &'a str,
    org: &'a str,
    at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Box<RawValue>>,
}

/// One invocation per batch.
#[derive(Debug)]
struct Behind<W>(Arc<Standalone<W>>);

impl<W: Warehouse> StreamFunction for Behind<W> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let answered = self.0.handle_stream(payload).await;
        answered.map(|answered| answered.answer).map_err(FunctionError::failed)
    }
}

/// The warehouse's name in checkpoints.
pub const CONSUMER: &str = "warehouse";
const POLL_MS: i64 = SECOND_MS;
const PATIENCE: Duration = Duration::from_secs(3);
