//! What the store is handed for each verdict.

use contract::{
    OrgId, Timestamp,
    limits::STAGING_TTL_MS,
    staged::{SealedRecord, StagedEvent},
};
use domain::{
    admit::{self, Admission},
    intake::{Course, Kept, Ready, Verdict},
};
use ports::{
    intake::{Entry, Put},
    stream::StreamRecord,
};

/// The entry of a verdict. What names no organisation of the caller's is accounted for under `default_org`.
pub(crate) fn entry(
    verdict: Verdict,
    default_org: &OrgId,
    now: Timestamp,
) -> Result<Entry, serde_json::Error> {
    let put = match verdict.kept {
        Kept::Nothing => Put::Nothing,
        Kept::Event(ready) if is_forwarded(&ready) => Put::Stage(staged(*ready, now)?),
        Kept::Event(ready) => Put::Stream {
            record: StreamRecord {
                partition_key: admit::partition_key(&ready.event),
                data: serde_json::to_vec(&ready.event)?,
            },
            event_id: ready.event.event_id,
            ck: ready.ck,
        },
        Kept::Sealed(record) => sealed(*record)?,
    };
    let org = verdict.org.unwrap_or_else(|| default_org.clone());
    Ok(Entry { org, answer: verdict.answer, put })
}

fn is_forwarded(ready: &Ready) -> bool {
    match ready.course {
        Course::Admitted(Admission::Forward) => true,
        Course::Admitted(Admission::Count | Admission::Withhold | Admission::Suppress)
        | Course::Late => false,
    }
}

fn staged(ready: Ready, now: Timestamp) -> Result<StagedEvent, serde_json::Error> {
    Ok(StagedEvent {
        body: serde_json::to_string(&ready.event)?,
        org_id: ready.event.org_id,
        product_id: ready.event.product_id,
        event_id: ready.event.event_id,
        ck: ready.ck,
        occurred_at: ready.event.occurred_at,
        staged_at: now,
        expires_at: now.plus_ms(STAGING_TTL_MS),
        rescues: 0,
    })
}

fn sealed(record: SealedRecord) -> Result<Put, serde_json::Error> {
    Ok(Put::Stream {
        record: StreamRecord {
            partition_key: format!("{}/{}", record.org_id, record.event_id),
            data: serde_json::to_vec(&record)?,
        },
        ck: admit::parse_ck(&record.ck).unwrap_or_default(),
        event_id: record.event_id,
    })
}
