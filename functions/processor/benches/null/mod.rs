//! A world that answers at once and takes everything, and batches for it.

use std::{collections::BTreeMap, fmt::Write, hint::black_box, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{
    OrgId, Timestamp, event::Assignment, limits::PAYLOAD_BYTES_MAX, staged::StagedEvent,
};
use domain::{
    counters::{Dictionary, DictionaryKey},
    pseudonym::Pseudonymiser,
    seal::SealKey,
};
use ports::{
    PortResult,
    archive::{Archive, Quarantine, Quarantined},
    bus::{Announcement, Bus},
    clock::Clock,
    intake::Put,
    keys::PseudonymKeys,
    ledger::{CommitOutcome, CountedChunk, EventKey, Ledger},
    reference::{Reference, Subject},
    sessions::{Strikes, StruckEvent},
    staging::{Staged, Staging},
};

/// At most `records_max` different events of the usual size, and how many they are.
pub(crate) fn payload(records_max: usize) -> (String, usize) {
    let mut payload = r#"{"Records":["#.to_owned();
    let mut records = 0;
    for n in 0..records_max {
        let at = Still.now();
        let event = format!(
            r#"{{"schemaVersion":"1.0","eventId":"order.{n}","eventType":"ui.click","occurredAt":"{at}","orgId":"org-{}","productId":"shop","sessionId":"s1.3.{n:08}000000000000000000","actorId":"u1.3.{n:08}000000000000000000","severity":1,"screen":"/orders/{{id}}/items/{{id}}","element":{{"key":"button.checkout.{}","kind":"button","x":312,"y":871}},"context":{{"feature":"checkout","appVersion":"4.12.0","browser":"firefox","os":"linux","deviceType":"desktop"}},"source":{{"service":"shop-web","version":"4.12.0","region":"eu-central-1"}},"recordedAt":"{at}","ck":"0000002a"}}"#,
            n % 7,
            n % 40
        );
        let mut record = String::new();
        write!(
            record,
            r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"6f1c2b3a9d8e7f60","sequenceNumber":"4959033827149025660855969253836157109592157{n:013}","data":"{}","approximateArrivalTimestamp":1770890400.000}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:4959033827149025660855969253836157109592157{n:013}","eventName":"aws:kinesis:record","awsRegion":"eu-central-1","eventSourceARN":"arn:aws:kinesis:eu-central-1:000000000000:stream/eu-friction-stream"}}"#,
            STANDARD.encode(event)
        )
        .unwrap();
        if payload.len() + record.len() + 4 > PAYLOAD_BYTES_MAX {
            break;
        }
        if n > 0 {
            payload.push(',');
        }
        payload.push_str(&record);
        records += 1;
    }
    payload.push_str("]}");
    (payload, records)
}

/// A clock that stands still.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_770_890_400_000)
    }
}

/// A world that knows nothing and takes everything.
pub(crate) struct Null;

impl Ledger for Null {
    async fn known(&self, keys: &[EventKey]) -> PortResult<Vec<Option<u32>>> {
        Ok(vec![None; keys.len()])
    }

    async fn dictionaries(
        &self,
        keys: &[DictionaryKey],
    ) -> PortResult<BTreeMap<DictionaryKey, Dictionary>> {
        Ok(keys.iter().map(|key| (key.clone(), Dictionary::new())).collect())
    }

    async fn commit(&self, chunk: CountedChunk) -> PortResult<CommitOutcome> {
        black_box(chunk);
        Ok(CommitOutcome::Committed)
    }
}

impl Archive for Null {
    async fn write(&self, key: &str, bytes: &[u8]) -> PortResult<()> {
        black_box((key, bytes));
        Ok(())
    }

    async fn read(&self, _: &str) -> PortResult<Option<Vec<u8>>> {
        Ok(None)
    }

    async fn list(&self, _: &str) -> PortResult<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Quarantine for Null {
    async fn hold(&self, records: &[Quarantined]) -> PortResult<()> {
        black_box(records);
        Ok(())
    }

    async fn held(
        &self,
        _: Option<&OrgId>,
        _: Timestamp,
        _: Timestamp,
    ) -> PortResult<Vec<Quarantined>> {
        Ok(Vec::new())
    }

    async fn release(&self, _: &Quarantined, _: Put) -> PortResult<bool> {
        Ok(false)
    }
}

impl Reference for Null {
    async fn assignments(&self, subjects: &[Subject]) -> PortResult<Vec<Option<Assignment>>> {
        Ok(vec![None; subjects.len()])
    }

    async fn assign(&self, _: &[(Subject, Assignment)]) -> PortResult<()> {
        Ok(())
    }
}

impl Staging for Null {
    async fn stage(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        Ok(vec![Staged::New; rows.len()])
    }

    async fn rescue(&self, _: &[StagedEvent]) -> PortResult<()> {
        Ok(())
    }

    async fn organisations(&self) -> PortResult<Vec<OrgId>> {
        Ok(Vec::new())
    }
}

impl Strikes for Null {
    async fn strike(&self, _: &[StruckEvent], _: Timestamp) -> PortResult<()> {
        Ok(())
    }
}

impl Bus for Null {
    async fn publish(&self, _: &[Announcement]) -> PortResult<()> {
        Ok(())
    }
}

impl PseudonymKeys for Null {
    async fn pseudonymiser(&self, _: &OrgId) -> PortResult<Option<Arc<Pseudonymiser>>> {
        Ok(None)
    }

    async fn seal_key(&self) -> PortResult<Arc<SealKey>> {
        Ok(Arc::new(SealKey::from_bytes([7; 32])))
    }
}
