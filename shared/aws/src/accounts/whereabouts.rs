//! One event's way, from what every table remembers of it; last the archive, of which the likeliest objects are searched.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
};

use contract::{
    Event, EventId, OrgId, Timestamp,
    ledger::{Station, Whereabouts},
    limits::{ARCHIVE_BYTES_MAX, HOUR_MS, MARKER_TTL_MS, MINUTE_MS, STAGING_TTL_MS},
    staged::StagedEvent,
};
use domain::{admit, archive, batching};
use flate2::read::MultiGzDecoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{PortResult, archive::Archive as _, ledger::EventKey};

use crate::{
    Cloud,
    delivery::{BATCH, batch_events, partition},
    item::{self, Fields, Item, malformed},
    markers::Memory,
    resources::Resource,
    rows,
};

impl Cloud {
    pub(super) async fn find_event(
        &self,
        id: &EventId,
        only: Option<&OrgId>,
    ) -> PortResult<Vec<Whereabouts>> {
        let mut traces = self.traces(id, only).await?;
        if traces.is_empty() {
            // The archive keeps events that everything else has forgotten; their ids tell where.
            traces.extend(Trace::of_the_archive(id));
        }
        let mut found = Vec::new();
        for trace in traces {
            found.extend(self.search_archive(trace, id, only).await?);
        }
        Ok(found)
    }

    /// What the tables know of the event, by organisation.
    async fn traces(&self, id: &EventId, only: Option<&OrgId>) -> PortResult<Vec<Trace>> {
        let orgs = match only {
            Some(org) => BTreeSet::from([org.clone()]),
            None => self.known_orgs().await?,
        };
        let keys: Vec<EventKey> =
            orgs.into_iter().map(|org| EventKey { org, id: id.clone() }).collect();
        let row_keys = keys.iter().map(|key| rows::key(&key.org, id)).collect();
        let staged = self.get_all(OPERATION, Resource::Staging, row_keys).await?;
        let staged: Vec<StagedEvent> = staged.iter().filter_map(rows::row).collect();
        let counted = self.find_marks(Memory::Counted, &keys).await?;
        let forwarded = self.find_marks(Memory::Forwarded, &keys).await?;
        let known: Vec<_> = keys
            .into_iter()
            .zip(counted.into_iter().zip(forwarded))
            .map(|(key, (counted, forwarded))| {
                let row = staged.iter().find(|row| row.org_id == key.org).cloned();
                let known = Known { row, counted: counted.is_some(), forwarded };
                async move { self.trace(&key, known).await }
            })
            .collect();
        let traces: Vec<Option<Trace>> =
            stream::iter(known).buffered(AT_ONCE).try_collect().await?;
        Ok(traces.into_iter().flatten().collect())
    }

    async fn trace(&self, key: &EventKey, known: Known) -> PortResult<Option<Trace>> {
        let mut trace = Trace { org: Some(key.org.clone()), ..Trace::default() };
        if let Some(row) = &known.row {
            trace.state = Some(State::Accepted);
            trace.pass_staging(row);
        }
        let aside = self.held_under(&key.org, &key.id).await?;
        for (at, detail) in &aside {
            trace.pass(*at, "quarantined", detail);
        }
        if !aside.is_empty() || self.ended_aside(key).await? {
            trace.state = Some(State::Quarantined);
        }
        if known.counted {
            trace.state = Some(State::Counted);
            if let Some(at) = self.counted_at(key, &known).await? {
                trace.moments.insert(at);
                trace.pass(at, "counted", "");
            }
        }
        match (known.forwarded, &known.row) {
            (Some(number), _) => self.pass_delivery(key, number, &mut trace).await?,
            (None, Some(row)) if admit::forwards(row) => trace.state = Some(State::Pending),
            (None, _) => {}
        }
        Ok(trace.state.is_some().then_some(trace))
    }

    /// When an event was counted. Packed markers do not tell; the ids that are packed tell when they were made.
    async fn counted_at(&self, key: &EventKey, known: &Known) -> PortResult<Option<Timestamp>> {
        let marker = item::key(format!("M#{}#{}", key.org, key.id), "0");
        let marker = self.get_all(OPERATION, Resource::Dedupe, vec![marker]).await?;
        let alone = marker.first().map(|marker| marker.ttl("ttl")).transpose()?;
        let alone = alone.map(|ttl| ttl.plus_ms(-MARKER_TTL_MS));
        let staged = known.row.as_ref().map(|row| row.staged_at);
        Ok(staged.or(alone).or_else(|| key.id.uuid_v7_ms().map(Timestamp::from_ms)))
    }

    /// Batch, receipt and parking. Whoever was parked and put into a new batch is not where its marker says.
    async fn pass_delivery(
        &self,
        key: &EventKey,
        number: u32,
        trace: &mut Trace,
    ) -> PortResult<()> {
        let parked = item::key(partition(&key.org), format!("{PARKED}{}", key.id));
        let parked = self.get_all(OPERATION, Resource::Delivery, vec![parked]).await?;
        if let Some(parked) = parked.first() {
            return trace.pass_parking(parked);
        }
        // A split or a remainder begins with the number of the batch it came from.
        let sequence = batching::sequence(number.into());
        for narrow in [sequence.as_str(), ""] {
            if let Some(receipt) = self.receipt_of(key, narrow).await? {
                trace.pass_receipt(&receipt)?;
                return self.pass_answer(key, trace).await;
            }
            if let Some(batch) = self.batch_of(key, narrow).await? {
                return trace.pass_batch(&batch);
            }
        }
        // Whatever told how has reached its end of time before the marker that it was forwarded.
        trace.state = Some(State::Delivered);
        Ok(())
    }

    async fn receipt_of(&self, key: &EventKey, sequence: &str) -> PortResult<Option<Item>> {
        let prefix = format!("{RECEIPT}{sequence}");
        let fields = "sk status formedAt deliveredAt ids";
        let receipts = self.delivery_items(OPERATION, &key.org, &prefix, fields).await?;
        for receipt in receipts {
            if receipt.texts("ids")?.contains(&key.id.as_str()) {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    async fn batch_of(&self, key: &EventKey, sequence: &str) -> PortResult<Option<Item>> {
        let prefix = format!("{BATCH}{sequence}");
        let batches =
            self.delivery_items(OPERATION, &key.org, &prefix, "sk formedAt events").await?;
        for batch in batches {
            if batch_events(&batch)?.iter().any(|event| event.event_id == key.id) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    async fn pass_answer(&self, key: &EventKey, trace: &mut Trace) -> PortResult<()> {
        let answer = item::key(partition(&key.org), format!("R#{}", key.id));
        let found = self.get_all(OPERATION, Resource::Delivery, vec![answer]).await?;
        if let Some(answer) = found.first() {
            trace.pass(answer.millis("at")?, "enriched", answer.text("answer")?);
        }
        Ok(())
    }

    /// Looks into the archive; nothing when neither it nor the tables know the event.
    async fn search_archive(
        &self,
        mut trace: Trace,
        id: &EventId,
        only: Option<&OrgId>,
    ) -> PortResult<Option<Whereabouts>> {
        let wanted = trace.org.clone().or_else(|| only.cloned());
        for key in self.likely_objects(&trace.moments).await? {
            let Some(bytes) = self.read(&key).await? else { continue };
            if let Some(event) = find_in(&bytes, id, wanted.as_ref()) {
                let arrived = event.record.map(|record| record.arrived_at);
                trace.pass(arrived.unwrap_or(event.occurred_at), "archived", &key);
                trace.state.get_or_insert(State::Counted);
                trace.org.get_or_insert(event.org_id);
                break;
            }
        }
        Ok(trace.finish(id))
    }

    /// Objects that were written soon after the event passed a station, the soonest first.
    async fn likely_objects(&self, moments: &BTreeSet<Timestamp>) -> PortResult<Vec<String>> {
        let mut hours: BTreeMap<Timestamp, Timestamp> = BTreeMap::new();
        for moment in moments {
            // The stream takes a record somewhat later than its door did.
            for hour in [moment.hour(), moment.plus_ms(LATENESS_MS).hour()] {
                hours.entry(hour).or_insert(*moment);
            }
        }
        let mut objects: Vec<(i64, String)> = Vec::new();
        for (hour, moment) in hours {
            let prefix = archive::hour_prefix(hour);
            let found = self.list_dated(OPERATION, Resource::Archive, &prefix).await?;
            let apart = |at: Timestamp| at.since_ms(moment).abs();
            objects.extend(found.into_iter().map(|(key, written)| (apart(written), key)));
        }
        objects.sort_unstable();
        objects.truncate(OBJECTS_MAX);
        Ok(objects.into_iter().map(|(_, key)| key).collect())
    }
}

/// What three look-ups for all organisations tell.
struct Known {
    row: Option<StagedEvent>,
    counted: bool,
    /// The number of the batch that took it.
    forwarded: Option<u32>,
}

/// Where an event is, as far as it is known.
#[derive(Debug, Default)]
struct Trace {
    org: Option<OrgId>,
    state: Option<State>,
    stations: Vec<Station>,
    /// When it was in the stream, about.
    moments: BTreeSet<Timestamp>,
}

/// The states of [`Whereabouts`] that can be told here: that an event was suppressed leaves no trace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Accepted,
    Pending,
    Batched,
    Delivered,
    Parked,
    Quarantined,
    Counted,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Batched => "batched",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Quarantined => "quarantined",
            Self::Counted => "counted",
        }
    }
}

impl Trace {
    /// Nothing is known any more: the id's own time tells where an old event may lie.
    fn of_the_archive(id: &EventId) -> Option<Self> {
        let made = Timestamp::from_ms(id.uuid_v7_ms()?);
        let moments = BTreeSet::from([made, made.plus_ms(HOUR_MS)]);
        Some(Self { moments, ..Self::default() })
    }

    fn pass(&mut self, at: Timestamp, station: &str, detail: &str) {
        let (station, detail) = (station.to_owned(), detail.to_owned());
        self.stations.push(Station { at, station, detail });
    }

    fn pass_staging(&mut self, row: &StagedEvent) {
        self.moments.insert(row.staged_at);
        self.pass(row.staged_at, "accepted", "");
        self.pass(row.staged_at, "staged", "");
        if row.rescues > 0 {
            let rescued_at = row.expires_at.plus_ms(-STAGING_TTL_MS);
            self.pass(rescued_at, "rescued", &row.rescues.to_string());
        }
    }

    fn pass_batch(&mut self, batch: &Item) -> PortResult<()> {
        self.pass_forming(batch, BATCH)?;
        self.state = Some(State::Batched);
        Ok(())
    }

    fn pass_receipt(&mut self, receipt: &Item) -> PortResult<()> {
        let sequence = self.pass_forming(receipt, RECEIPT)?;
        let unconfirmed = if receipt.text("status")? == UNCONFIRMED { " unconfirmed" } else { "" };
        let detail = format!("{sequence}{unconfirmed}");
        self.pass(receipt.millis("deliveredAt")?, "delivered", &detail);
        self.state = Some(State::Delivered);
        Ok(())
    }

    fn pass_parking(&mut self, parked: &Item) -> PortResult<()> {
        if let Some(at) = parked.millis_if("formedAt")? {
            self.pass(at, "formed", parked.text("seq")?);
        }
        self.pass(parked.millis("parkedAt")?, "parked", parked.text("reason")?);
        self.state = Some(State::Parked);
        Ok(())
    }

    fn pass_forming(&mut self, item: &Item, prefix: &str) -> PortResult<String> {
        let sequence = item.text("sk")?.strip_prefix(prefix).ok_or_else(|| malformed("sk"))?;
        let formed_at = item.millis("formedAt")?;
        // A batch is formed within minutes of its events' arrival, unless nobody was there to form it.
        self.moments.insert(formed_at);
        self.pass(formed_at, "formed", sequence);
        Ok(sequence.to_owned())
    }

    fn finish(mut self, id: &EventId) -> Option<Whereabouts> {
        // Stable: stations of one moment stay in the order in which they are passed.
        self.stations.sort_by_key(|station| station.at);
        Some(Whereabouts {
            event_id: id.to_string(),
            org: self.org?.to_string(),
            state: self.state?.as_str().to_owned(),
            stations: self.stations,
        })
    }
}

/// The event in an object. An object that does not inflate holds nothing.
fn find_in(bytes: &[u8], id: &EventId, org: Option<&OrgId>) -> Option<Event> {
    let mut lines = Vec::new();
    let limit = u64::try_from(ARCHIVE_BYTES_MAX.saturating_mul(4)).unwrap_or(u64::MAX);
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut lines).ok()?;
    archive::find(&lines, id, org)
}

const OPERATION: &str = "accounts.whereabouts";
/// What the sort keys of parked events begin with.
const PARKED: &str = "P#";
/// What the sort keys of receipts begin with.
const RECEIPT: &str = "X#";
/// Taken without the connector saying so per event.
const UNCONFIRMED: &str = "unconfirmed";
const LATENESS_MS: i64 = 10 * MINUTE_MS;
/// Most objects that are searched: an hour of a busy stream has thousands.
const OBJECTS_MAX: usize = 128;
const AT_ONCE: usize = 8;
