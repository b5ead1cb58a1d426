//! One batch to the server, retried with the same bytes until it is answered or patience ends.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use contract::{
    ingest::{EventAnswer, EventStatus, IngestAnswer},
    problem::Problem,
};
use data_encoding::HEXLOWER;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::reader::Batch;
use crate::{output, remote};

/// Sends batches to one server.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    url: String,
    key: String,
    patience: Duration,
    bar: ProgressBar,
    contact: Mutex<Contact>,
    /// Part of every `Idempotency-Key`: a retry within this run repeats its answer, another run gets its own.
    run: String,
}

/// Whether the server is there. A lock, because every request in flight looks at it for a moment.
#[derive(Debug)]
struct Contact {
    /// When it last answered a batch, or the command began.
    answered_at: Instant,
    /// When somebody was last told that it makes us wait.
    told_at: Option<Instant>,
}

/// What the server said of a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: BTreeMap<String, u64>,
}

enum Reply {
    Answered(Vec<EventAnswer>),
    TryAgain { after: Option<Duration>, why: String },
}

impl Sender {
    pub(super) fn new(
        url: &str,
        key: &str,
        patience: Duration,
        bar: ProgressBar,
    ) -> anyhow::Result<Self> {
        let mut run = [0_u8; 8];
        getrandom::fill(&mut run).map_err(|error| anyhow!("no random bytes: {error}"))?;
        Ok(Self {
            client: connector::operator::client(REQUEST_TIMEOUT)?,
            url: url.to_owned(),
            key: key.to_owned(),
            patience,
            bar,
            contact: Mutex::new(Contact { answered_at: Instant::now(), told_at: None }),
            run: HEXLOWER.encode(&run),
        })
    }

    /// Sends a batch until it is answered.
    pub(super) async fn send(&self, batch: &Batch) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for code in &batch.refused {
            tally.sent += 1;
            *tally.rejected.entry(code.to_string()).or_default() += 1;
        }
        if batch.events > 0 {
            for answer in self.until_answered(batch).await? {
                tally.add(&answer);
            }
        }
        Ok(tally)
    }

    async fn until_answered(&self, batch: &Batch) -> anyhow::Result<Vec<EventAnswer>> {
        let mut pause = PAUSE_MIN;
        loop {
            match self.once(batch).await? {
                Reply::Answered(answers) if u64::try_from(answers.len())? == batch.events => {
                    self.answered();
                    return Ok(answers);
                }
                Reply::Answered(_) => {
                    bail!("the server answered more or fewer events than it was sent")
                }
                Reply::TryAgain { after, why } => {
                    let wait = after.unwrap_or(pause);
                    self.lasts(wait, &why)?;
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn answered(&self) {
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        contact.answered_at = Instant::now();
    }

    /// Ends the command when the server would have answered nothing for longer than patience lasts. While it takes
    /// other batches, a batch that it limits only waits.
    fn lasts(&self, wait: Duration, why: &str) -> anyhow::Result<()> {
        let mut contact = self.contact.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = contact.answered_at.elapsed();
        if silent + wait > self.patience {
            let (waited, patience) = (silent.as_secs_f64(), self.patience.as_secs_f64());
            bail!("{why}; gave up after {waited:.0} s, since --patience allows {patience} s");
        }
        if contact.told_at.is_none_or(|at| at.elapsed() > TOLD_EVERY) {
            contact.told_at = Some(Instant::now());
            let text = format!("{why}; trying again, for up to {} s", self.patience.as_secs_f64());
            self.bar.suspend(|| output::note(&text));
        }
        Ok(())
    }

    async fn once(&self, batch: &Batch) -> anyhow::Result<Reply> {
        let idempotency = format!("{}-{}", self.run, HEXLOWER.encode(&Sha256::digest(&batch.body)));
        let request = self
            .client
            .post(format!("{}/v1/events/batch", self.url))
            .bearer_auth(&self.key)
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency)
            .body(batch.body.clone());
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                bail!("the request cannot be made: {}", remote::root_cause(&error));
            }
            Err(error) => {
                let why = format!("no answer from {}: {}", self.url, remote::root_cause(&error));
                return Ok(Reply::TryAgain { after: None, why });
            }
        };
        let status = response.status().as_u16();
        let after =
            response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let Ok(body) = response.bytes().await else {
            return Ok(Reply::TryAgain { after: None, why: "the answer broke off".to_owned() });
        };
        match status {
            202 => {
                let answer: IngestAnswer =
                    serde_json::from_slice(&body).context("the answer is not the contract's")?;
                Ok(Reply::Answered(answer.events))
            }
            429 => Ok(Reply::TryAgain {
                after: after.map(Duration::from_secs),
                why: "the server takes no more from this key for now (429)".to_owned(),
            }),
            408 | 500.. => Ok(Reply::TryAgain {
                after: after.map(Duration::from_secs),
                why: format!("the server answered {status}"),
            }),
            _ => refused(status, &body),
        }
    }
}

/// A refusal of every event of the batch is an answer; any other refusal stops the command.
fn refused(status: u16, body: &[u8]) -> anyhow::Result<Reply> {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        bail!("the server answered {status}; is this a Tribometer server?");
    };
    if problem.events.is_empty() {
        return Err(remote::refused(&problem));
    }
    Ok(Reply::Answered(problem.events))
}

impl Tally {
    fn add(&mut self, answer: &EventAnswer) {
        self.sent += 1;
        match answer.status {
            EventStatus::Accepted | EventStatus::Quarantined => self.accepted += 1,
            EventStatus::Duplicate => self.duplicates += 1,
            EventStatus::Rejected => {
                let code =
                    answer.code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
                *self.rejected.entry(code).or_default() += 1;
            }
        }
    }
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const TOLD_EVERY: Duration = Duration::from_secs(30);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
