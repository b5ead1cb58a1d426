//! The items of one organisation in the delivery table: where they lie, and how a batch is written.

use std::io::{Read as _, Write as _};

use contract::{Code, EventId, OrgId, Timestamp};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use ports::{
    PortError, PortResult,
    delivery::{BatchedEvent, NewBatch, ReadyBatch},
};

use crate::{
    item::{Fields, Item, bytes, item, key, malformed, millis, number, text},
    transaction::Write,
};

/// The partition of an organisation.
pub(crate) fn partition(org: &OrgId) -> String {
    format!("D#{org}")
}

/// The key of the lease, the next number and the breaker.
pub(crate) fn head_key(org: &OrgId) -> Item {
    key(partition(org), "HEAD")
}

/// The key of the organisation's amounts.
pub(crate) fn ledger_key(org: &OrgId) -> Item {
    key(partition(org), "LEDGER")
}

/// The key of a batch that waits.
pub(crate) fn batch_key(org: &OrgId, seq: &str) -> Item {
    key(partition(org), format!("{BATCH}{seq}"))
}

/// A batch as it waits. `formed_at` is older than `now` when it comes from another one.
pub(crate) fn batch_item(
    org: &OrgId,
    batch: &NewBatch,
    formed_at: Timestamp,
    now: Timestamp,
) -> PortResult<Item> {
    let mut item = item([
        ("batchId", text(&batch.batch_id)),
        ("body", bytes(packed(&batch.body)?)),
        ("events", text(events_text(&batch.events)?)),
        ("size", number(batch.events.len())),
        ("attempts", number(0)),
        ("formedAt", millis(formed_at)),
        ("nextAttemptAt", millis(now)),
    ]);
    item.extend(batch_key(org, &batch.seq));
    Ok(item)
}

/// Reads a batch.
pub(crate) fn ready_batch(item: &Item) -> PortResult<ReadyBatch> {
    let seq = item.text("sk")?.strip_prefix(BATCH).ok_or_else(|| malformed("sk"))?;
    Ok(ReadyBatch {
        batch: NewBatch {
            seq: seq.to_owned(),
            batch_id: item.text("batchId")?.to_owned(),
            body: unpacked(item.bytes("body")?)?,
            events: batch_events(item)?,
        },
        attempts: item.number("attempts")?,
        formed_at: item.millis("formedAt")?,
        next_attempt_at: item.millis("nextAttemptAt")?,
        failing_since: item.millis_if("failingSince")?,
    })
}

/// The events of a batch that waits.
pub(crate) fn batch_events(item: &Item) -> PortResult<Vec<BatchedEvent>> {
    let pairs: Vec<(EventId, String)> =
        serde_json::from_str(item.text("events")?).map_err(|_| malformed("events"))?;
    let event = |(event_id, connector_id)| BatchedEvent { event_id, connector_id };
    Ok(pairs.into_iter().map(event).collect())
}

fn events_text(events: &[BatchedEvent]) -> PortResult<String> {
    let pairs: Vec<_> = events.iter().map(|event| (&event.event_id, &event.connector_id)).collect();
    serde_json::to_string(&pairs).map_err(|error| PortError::permanent("batch.write", error))
}

/// An event to be parked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) id: &'a EventId,
    pub(crate) reason: Code,
    pub(crate) detail: &'a str,
    pub(crate) body: &'a [u8],
    /// The batch it was in; empty when it never was in one.
    pub(crate) seq: &'a str,
    pub(crate) formed_at: Option<Timestamp>,
    /// Its place among those that were parked with it.
    pub(crate) place: usize,
}

impl Parked<'_> {
    /// Parks it. An event is in one place, so that it is not parked already: an id that was is one that came again when
    /// everything else had forgotten it, and must not stop a whole batch.
    pub(crate) fn write(&self, table: &str, at: Timestamp) -> Write {
        let mut item = item([
            ("parkedAt", millis(at)),
            ("reason", text(self.reason.as_str())),
            ("detail", text(self.detail)),
            ("body", bytes(self.body)),
            ("seq", text(self.seq)),
            ("place", number(self.place)),
        ]);
        item.extend(self.formed_at.map(|at| ("formedAt".to_owned(), millis(at))));
        item.extend(parked_key(self.org, self.id));
        Write::put(table, item)
    }
}

/// Where a parked event lies.
pub(crate) fn parked_key(org: &OrgId, id: &EventId) -> Item {
    key(partition(org), format!("{PARKED}{id}"))
}

/// Compresses what goes into one item.
///
/// # Errors
/// Permanent when it does not fit: a batch is a fraction of that, unless one single event is larger than every limit.
pub(crate) fn packed(raw: &[u8]) -> PortResult<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(raw).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| PortError::permanent("item.pack", error))?;
    if packed.len() > PACKED_BYTES_MAX {
        return Err(PortError::permanent("item.pack", "more bytes than an item takes"));
    }
    Ok(packed)
}

/// Undoes [`packed`].
pub(crate) fn unpacked(packed: &[u8]) -> PortResult<Vec<u8>> {
    let mut raw = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut raw).map_err(|_| malformed("body"))?;
    Ok(raw)
}

/// What the sort keys of waiting batches begin with.
pub(crate) const BATCH: &str = "B#";
/// What those of parked events begin with.
pub(crate) const PARKED: &str = "P#";
/// An item takes 400 KB; what stands beside the packed bytes is far below 50.
const PACKED_BYTES_MAX: usize = 350_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn org() -> OrgId {
        OrgId::parse("acme").unwrap()
    }

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let batch = NewBatch {
            seq: "000000000007.r1".to_owned(),
            batch_id: "id-1".to_owned(),
            body: "{\"ä\":0}".repeat(900).into_bytes(),
            events: vec![BatchedEvent {
                event_id: EventId::parse("e.1").unwrap(),
                connector_id: "evt_1".to_owned(),
            }],
        };
        let (formed_at, now) = (Timestamp::from_ms(5), Timestamp::from_ms(9));
        let item = batch_item(&org(), &batch, formed_at, now).unwrap();
        let ready = ready_batch(&item).unwrap();
        assert_eq!((&ready.batch, ready.attempts, ready.failing_since), (&batch, 0, None));
        assert_eq!((ready.formed_at, ready.next_attempt_at), (formed_at, now));
        assert!(item.bytes("body").unwrap().len() < batch.body.len() / 10);
    }

    #[test]
    fn bytes_that_no_item_takes_are_refused() {
        let noise = |length: usize| -> Vec<u8> {
            let mut state = 7_u32;
            let next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            std::iter::repeat_with(next).take(length).collect()
        };
        let largest = noise(contract::limits::BATCH_BYTES_MAX);
        assert_eq!(unpacked(&packed(&largest).unwrap()).unwrap(), largest);
        assert!(!packed(&noise(400_000)).unwrap_err().transient);
    }
}
