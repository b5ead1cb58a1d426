//! The three sources: what is read, what may go again, and how it is put on its way.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use contract::{Code, Event, Timestamp, limits::STAGING_TTL_MS, staged::StagedEvent};
use domain::{
    admit::{self, Admission},
    batching::{self, Caps},
    delivery::ParkedEvent,
    intake::{self, Course, Door, Outcome},
    profile::Slot,
    triage::{self, Class},
};
use ports::{
    archive::Quarantined,
    clock::{Clock as _, SystemClock},
    delivery::FormOutcome,
    intake::Put,
    ledger::EventKey,
    stream::StreamRecord,
};

use super::{Replay, World};
use crate::{archived, cli::ReplayTarget};

impl<W: World> Replay<W> {
    /// Counts archived events that have no marker, or stages those that never were on their way to the connector.
    pub(super) async fn archive(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        target: ReplayTarget,
    ) -> anyhow::Result<()> {
        let archived = archived::read(&self.world, Some(&self.org), from, to).await?;
        let events: Vec<Event> = archived.events.into_values().map(bare).collect();
        self.report.found = u64::try_from(events.len())?;
        for chunk in events.chunks(self.pace.at_once(CHUNK)) {
            match target {
                ReplayTarget::Counters => self.count_again(chunk).await?,
                ReplayTarget::Forward => self.forward_again(chunk).await?,
            }
        }
        Ok(())
    }

    async fn count_again(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let keys: Vec<EventKey> = events
            .iter()
            .map(|event| EventKey { org: event.org_id.clone(), id: event.event_id.clone() })
            .collect();
        let known = self.world.known(&keys).await?;
        let mut records = Vec::new();
        for (event, known) in events.iter().zip(known) {
            if known.is_some() {
                self.skip("counted already");
            } else {
                records.push(plain_record(event)?);
            }
        }
        self.report.replayed += u64::try_from(records.len())?;
        if self.report.dry_run || records.is_empty() {
            return Ok(());
        }
        self.pace.wait().await;
        self.pace.sent(records.len());
        let missed = self.world.append(&records).await?;
        if !missed.is_empty() {
            bail!("{} events were not appended; run the replay again", missed.len());
        }
        Ok(())
    }

    async fn forward_again(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for event in events {
            let arrival = event.recorded_at.unwrap_or(self.now);
            if admit::admit(event, arrival) != Ok(Admission::Forward) {
                self.skip("not for the connector");
            } else if self.is_on_its_way(event).await? {
                self.skip("on its way or settled already");
            } else {
                rows.push(staged(event, self.now)?);
            }
        }
        self.report.replayed += u64::try_from(rows.len())?;
        if !self.report.dry_run && !rows.is_empty() {
            self.pace.wait().await;
            self.pace.sent(rows.len());
            // As after TTL: what is on its way or settled meanwhile stays as it is.
            self.world.rescue(&rows).await?;
        }
        Ok(())
    }

    /// An event that was only counted may still be sent.
    async fn is_on_its_way(&self, event: &Event) -> anyhow::Result<bool> {
        let found = self.world.whereabouts(&event.event_id, Some(&self.org)).await?;
        Ok(found.iter().any(|place| ON_ITS_WAY.contains(&place.state.as_str())))
    }

    /// Opens what was set aside, judges it by today's rules, and lets go what is readable now.
    pub(super) async fn quarantine(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        target: ReplayTarget,
    ) -> anyhow::Result<()> {
        let held = self.world.held(Some(&self.org), from, to).await?;
        self.report.found = u64::try_from(held.len())?;
        for record in held {
            match self.judge_again(&record, target).await? {
                Err(reason) => self.skip(reason),
                Ok(_) if self.report.dry_run => self.report.replayed += 1,
                Ok(put) => {
                    self.pace.wait().await;
                    self.pace.sent(1);
                    if ports::archive::Quarantine::release(&self.world, &record, put).await? {
                        self.report.replayed += 1;
                    } else {
                        self.skip("let go by somebody else meanwhile");
                    }
                }
            }
        }
        Ok(())
    }

    async fn judge_again(
        &self,
        record: &Quarantined,
        target: ReplayTarget,
    ) -> anyhow::Result<Result<Put, &'static str>> {
        if record.reason == Code::IdCollision {
            return Ok(Err("its id belongs to another event"));
        }
        let seal_key = self.world.seal_key().await?;
        let by_record =
            seal_key.open(&format!("{}/{}", record.shard, record.sequence), &record.sealed);
        if let Some(bytes) = by_record {
            return Ok(
                match triage::classify(&bytes, record.arrived_at).at(record.arrived_at, self.now) {
                    Class::Event(admitted) => {
                        put(&admitted.event, admitted.admission, target, self.now)?
                    }
                    Class::Poison(poison) => Err(poison.fault.code.as_str()),
                    Class::Sealed(_) | Class::Ignored(_) | Class::Rescue(_) => {
                        Err("not an event by itself")
                    }
                },
            );
        }
        let Some(event_id) = &record.event_id else {
            return Ok(Err("cannot be opened with today's key"));
        };
        let Some(bytes) = seal_key.open(&format!("{}/{event_id}", self.org), &record.sealed) else {
            return Ok(Err("cannot be opened with today's key"));
        };
        let Some(pseudonymiser) = self.world.pseudonymiser(&self.org).await? else {
            return Ok(Err("the organisation has no key"));
        };
        let door = Door {
            now: record.arrived_at,
            orgs: std::slice::from_ref(&self.org),
            pseudonymisers: &BTreeMap::from([(self.org.clone(), pseudonymiser)]),
            seal_key: &seal_key,
            // The id is known: it was assigned when the event came in.
            entropy: &|| [0; 16],
        };
        let text = String::from_utf8(bytes).context("a sealed event is text")?;
        Ok(match intake::read_event(&text, &door) {
            Outcome::Ready(mut ready) => {
                ready.event.event_id = event_id.clone();
                match ready.course {
                    Course::Admitted(admission) => put(&ready.event, admission, target, self.now)?,
                    Course::Late => Err(Code::Late.as_str()),
                }
            }
            Outcome::Sealed(sealed) => Err(sealed.reason.as_str()),
            Outcome::Rejected(rejected) => Err(rejected.fault.code.as_str()),
        })
    }

    /// Puts parked events into new batches at the end of the organisation's order.
    pub(super) async fn parked(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        target: ReplayTarget,
    ) -> anyhow::Result<()> {
        let parked = self.world.parked(&self.org, from, to).await?;
        self.report.found = u64::try_from(parked.len())?;
        if target == ReplayTarget::Counters {
            for _ in &parked {
                self.skip("counted already");
            }
            return Ok(());
        }
        self.report.replayed = self.report.found;
        if self.report.dry_run || parked.is_empty() {
            return Ok(());
        }
        let mut caps = self.profile.caps();
        caps.events = self.pace.at_once(caps.events);
        let mut rest = parked.as_slice();
        while !rest.is_empty() {
            self.pace.wait().await;
            let taken = self.unpark(rest, caps).await?;
            self.pace.sent(taken);
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Forms one batch of the first of `events` and answers how many it took.
    async fn unpark(&self, events: &[ParkedEvent], caps: Caps) -> anyhow::Result<usize> {
        for _ in 0..LEASE_TRIES {
            let now = SystemClock.now();
            let Some(lease) = self.world.acquire(&self.org, now, now.plus_ms(LEASE_MS)).await?
            else {
                tokio::time::sleep(LEASE_PAUSE).await;
                continue;
            };
            let slot = Slot { org: &self.org, seq: batching::sequence(lease.next_seq) };
            let Some((batch, taken)) = batching::again(events, &slot, &self.profile, caps) else {
                bail!("no batch can be made of these events");
            };
            let outcome = self.world.unpark(&lease, batch, now).await?;
            ports::delivery::Leases::release(&self.world, &lease, lease.breaker).await?;
            match outcome {
                FormOutcome::Formed => return Ok(taken),
                FormOutcome::Stale { .. } => {
                    bail!("some of these events are no longer parked; run the replay again")
                }
                FormOutcome::Fenced => {}
            }
        }
        bail!("the organisation is being worked on; run the replay again")
    }
}

fn put(
    event: &Event,
    admission: Admission,
    target: ReplayTarget,
    now: Timestamp,
) -> anyhow::Result<Result<Put, &'static str>> {
    Ok(match (admission, target) {
        (Admission::Forward, ReplayTarget::Forward) => Ok(Put::Stage(staged(event, now)?)),
        (_, ReplayTarget::Forward) => Err("not for the connector"),
        (Admission::Suppress, ReplayTarget::Counters) => Err("the person did not agree"),
        (Admission::Forward | Admission::Count | Admission::Withhold, ReplayTarget::Counters) => {
            Ok(Put::Stream {
                event_id: event.event_id.clone(),
                ck: admit::ck(event),
                record: plain_record(event)?,
            })
        }
    })
}

fn plain_record(event: &Event) -> anyhow::Result<StreamRecord> {
    Ok(StreamRecord {
        partition_key: admit::partition_key(event),
        data: serde_json::to_vec(event)?,
    })
}

fn staged(event: &Event, now: Timestamp) -> anyhow::Result<StagedEvent> {
    Ok(StagedEvent {
        org_id: event.org_id.clone(),
        product_id: event.product_id.clone(),
        event_id: event.event_id.clone(),
        body: serde_json::to_string(event)?,
        ck: admit::ck(event),
        occurred_at: event.occurred_at,
        staged_at: now,
        expires_at: now.plus_ms(STAGING_TTL_MS),
        rescues: 0,
    })
}

/// An archived event as it travelled.
fn bare(mut event: Event) -> Event {
    event.record = None;
    event
}

const CHUNK: usize = 200;
const LEASE_MS: i64 = 30_000;
const LEASE_PAUSE: Duration = Duration::from_millis(500);
const LEASE_TRIES: usize = 240;
/// States of events that reach the connector, reached it or were refused by it, or that were set aside.
const ON_ITS_WAY: &[&str] =
    &["pending", "batched", "delivered", "parked", "quarantined", "suppressed"];
