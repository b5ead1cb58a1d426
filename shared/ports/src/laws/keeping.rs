//! Laws of the archive and the quarantine.

use contract::{Code, OrgId, Timestamp};

use super::{
    ok,
    sample::{Kind, books, event, id, now, org, records, row},
};
use crate::{
    accounts::Accounts,
    archive::{Archive, Quarantine, Quarantined},
    delivery::Forming,
    intake::Put,
    staging::Staging,
    stream::{StreamRecord, StreamSource},
};

const HOUR: &str = "events/v1/year=2026/month=02/day=13/hour=";

/// "Writes an object under a deterministic key." "The object under `key`." That the beginning of a key is no object is
/// for a store to try that keeps keys as paths: S3 knows no directories, and what stands in for it does.
pub async fn an_object_is_read_as_it_was_written<W: Archive>(world: W) {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
    let key = format!("{HOUR}07/shardId-000000000000-1-9.ndjson.gz");
    assert_eq!(ok(world.read(&key).await), None);
    ok(world.write(&key, &bytes).await);
    assert!(ok(world.read(&key).await) == Some(bytes), "other bytes");
    ok(world.write("empty", b"").await);
    assert_eq!(ok(world.read("empty").await), Some(Vec::new()));
}

/// "Writing the same key again replaces the same bytes."
pub async fn writing_a_key_again_keeps_one_object<W: Archive>(world: W) {
    for _ in 0..3 {
        ok(world.write("a/b", b"once").await);
    }
    assert_eq!(ok(world.list("").await), ["a/b"]);
    assert_eq!(ok(world.read("a/b").await), Some(b"once".to_vec()));
}

/// "The keys that begin with `prefix`, ascending."
pub async fn keys_are_listed_by_prefix_in_order<W: Archive>(world: W) {
    let keys =
        [format!("{HOUR}10/b"), format!("{HOUR}07/a"), format!("{HOUR}07/B"), "other".to_owned()];
    for key in &keys {
        ok(world.write(key, key.as_bytes()).await);
    }
    let [ten, small, capital, other] = &keys;
    let list = async |prefix: &str| ok(world.list(prefix).await);
    assert_eq!(list("").await, [capital.clone(), small.clone(), ten.clone(), other.clone()]);
    assert_eq!(list(HOUR).await, [capital.clone(), small.clone(), ten.clone()]);
    // A prefix is of the text, not of directories.
    assert_eq!(list(&format!("{HOUR}0")).await, [capital.clone(), small.clone()]);
    assert_eq!(list("events/v1/year=2025").await, Vec::<String>::new());
    assert_eq!(list("nothing/here").await, Vec::<String>::new());
}

fn quarantined(org: Option<OrgId>, sequence: usize, arrived_at: Timestamp) -> Quarantined {
    Quarantined {
        shard: "shardId-000000000000".to_owned(),
        sequence: sequence.to_string(),
        arrived_at,
        reason: Code::InvalidValue,
        path: Some("/severity".to_owned()),
        event_id: org.as_ref().map(|_| id(sequence)),
        org,
        terminal: false,
        sealed: vec![0, 255, 7],
    }
}

async fn held<W: Quarantine>(world: &W, org: Option<&OrgId>) -> Vec<Quarantined> {
    ok(world.held(org, Timestamp::from_ms(0), now().plus_ms(60_000)).await)
}

/// "Setting the same (shard, sequence) aside again changes nothing."
pub async fn a_record_is_set_aside_once_and_as_it_was<W: Quarantine + Accounts>(world: W) {
    let acme = org("acme");
    let record = quarantined(Some(acme.clone()), 7, now());
    ok(world.hold(&[]).await);
    for reason in [record.reason, Code::Late] {
        ok(world.hold(&[Quarantined { reason, ..record.clone() }]).await);
    }
    assert_eq!(held(&world, Some(&acme)).await, [record]);
    let objects = books(&world, &acme).await.quarantined;
    assert_eq!(objects.into_iter().collect::<Vec<_>>(), [("invalid_value".to_owned(), 1)]);
}

/// "The records of `org` that arrived in `[from, to)`, oldest first; those without a readable organisation when `org` is
/// nothing."
pub async fn set_aside_records_are_found_by_tenant_and_time<W: Quarantine>(world: W) {
    let (acme, start) = (org("acme"), now().plus_ms(-600_000));
    let at = |minutes: i64| start.plus_ms(minutes * 60_000);
    let records = [
        quarantined(Some(acme.clone()), 1, at(3)),
        quarantined(Some(acme.clone()), 2, at(1)),
        quarantined(Some(org("globex")), 3, at(1)),
        quarantined(None, 4, at(1)),
        quarantined(Some(acme.clone()), 5, at(2)),
    ];
    ok(world.hold(&records).await);
    let found = async |org: Option<&OrgId>, from: i64, to: i64| -> Vec<String> {
        let held = ok(world.held(org, at(from), at(to)).await);
        held.into_iter().map(|record| record.sequence).collect()
    };
    assert_eq!(found(Some(&acme), 0, 9).await, ["2", "5", "1"]);
    assert_eq!(found(Some(&acme), 2, 3).await, ["5"]);
    assert_eq!(found(None, 0, 9).await, ["4"]);
    assert_eq!(found(Some(&org("globex")), 0, 9).await, ["3"]);
}

/// "The record is no longer set aside, and its event goes the way that `put` says." "Releasing a record that is not held
/// answers false and changes nothing." How it is booked is a law of the books: the door of one world books it at once,
/// another world books it when it is counted.
pub async fn a_released_record_goes_its_way_once<
    W: Quarantine + Staging + Forming + StreamSource + Accounts,
>(
    world: W,
) {
    let acme = org("acme");
    let at = now().plus_ms(-60_000);
    let friction = row(&event(&acme, 1, Kind::Friction, at));
    let staged = quarantined(Some(acme.clone()), 1, at);
    let streamed = quarantined(Some(acme.clone()), 2, at);
    ok(world.hold(&[staged.clone(), streamed.clone()]).await);
    let data = b"a click".to_vec();
    let ways = [
        (&staged, Put::Stage(friction.clone())),
        (
            &streamed,
            Put::Stream {
                event_id: id(2),
                ck: 2,
                record: StreamRecord { partition_key: "k".to_owned(), data: data.clone() },
            },
        ),
    ];
    for (record, way) in ways {
        assert!(ok(world.release(record, way.clone()).await));
        let (books_after, stream_after) = (books(&world, &acme).await, records(&world).await);
        assert!(!ok(world.release(record, way).await), "released twice");
        assert_eq!(books(&world, &acme).await, books_after);
        assert_eq!(records(&world).await, stream_after);
    }
    assert_eq!(held(&world, Some(&acme)).await, []);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), [friction]);
    assert_eq!(records(&world).await.iter().filter(|record| record.data == data).count(), 1);
    assert_eq!(books(&world, &acme).await.pending, 1);
}
