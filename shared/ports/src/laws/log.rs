//! Laws of the stream, its checkpoints and its on-failure destination.

use std::collections::BTreeMap;

use super::{
    ok,
    sample::{now, records},
    there,
};
use crate::stream::{
    Checkpoints, EventStream, FailedInvocation, OnFailure, StreamRecord, StreamSource,
};

fn record(key: usize, number: usize) -> StreamRecord {
    StreamRecord {
        partition_key: format!("key {key}"),
        data: format!("{key}/{number:05}").into_bytes(),
    }
}

async fn append_all<W: EventStream>(world: &W, records: &[StreamRecord]) {
    let refused = ok(world.append(records).await);
    assert!(refused.is_empty(), "a world without load refused {} records", refused.len());
}

/// "Chooses the shard; records of one key keep their order."
pub async fn records_of_one_key_share_a_shard_and_keep_their_order<
    W: EventStream + StreamSource,
>(
    world: W,
) {
    for number in 0..20 {
        let batch: Vec<_> = (0..7).map(|key| record(key, number)).collect();
        append_all(&world, &batch).await;
    }
    let mut shard_of = BTreeMap::new();
    for shard in ok(world.shards().await) {
        let mut last = BTreeMap::new();
        for read in ok(world.read(&shard, None, 1_000).await) {
            let home = shard_of.entry(read.partition_key.clone()).or_insert(shard.clone());
            assert_eq!(*home, shard, "one key in two shards");
            let before = last.insert(read.partition_key, read.data.clone());
            assert!(before.is_none_or(|before| before < read.data), "a key out of order");
        }
    }
    assert_eq!(shard_of.len(), 7);
    assert_eq!(records(&world).await.len(), 140);
}

/// Keys, bytes and the time of arrival come back as they were.
pub async fn a_record_is_read_as_it_was_appended<W: EventStream + StreamSource>(world: W) {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(256 * 1024).collect();
    let sent = [
        StreamRecord { partition_key: "a \u{fc}\"\\#".to_owned(), data: bytes },
        StreamRecord { partition_key: "b".to_owned(), data: vec![0] },
    ];
    let before = now();
    append_all(&world, &sent).await;
    let mut read = records(&world).await;
    read.sort_by(|a, b| a.partition_key.cmp(&b.partition_key));
    for (read, sent) in read.iter().zip(&sent) {
        assert_eq!(read.partition_key, sent.partition_key);
        assert!(read.data == sent.data, "other bytes");
        assert!(read.arrived_at >= before && read.arrived_at.since_ms(before) < 60_000);
        let digits = read.sequence.len();
        assert!((1..=56).contains(&digits) && read.sequence.bytes().all(|b| b.is_ascii_digit()));
    }
    assert_eq!(read.len(), 2);
}

/// "Up to `limit` records of `shard` after `sequence`, or from the oldest. Reading changes nothing."
pub async fn reading_changes_nothing_and_goes_on_after_a_sequence_number<
    W: EventStream + StreamSource,
>(
    world: W,
) {
    let sent: Vec<_> = (0..25).map(|number| record(0, number)).collect();
    append_all(&world, &sent).await;
    let mut paged = Vec::new();
    for shard in ok(world.shards().await) {
        let mut after: Option<String> = None;
        for _ in 0..25 {
            let page = ok(world.read(&shard, after.as_deref(), 4).await);
            assert_eq!(page, ok(world.read(&shard, after.as_deref(), 4).await));
            assert!(page.len() <= 4);
            let Some(last) = page.last() else { break };
            after = Some(last.sequence.clone());
            paged.extend(page);
        }
    }
    assert_eq!(paged, records(&world).await);
    assert_eq!(paged.len(), 25);
}

/// "Not idempotent: a repeat appends again."
pub async fn appending_again_appends_again<W: EventStream + StreamSource>(world: W) {
    append_all(&world, &[]).await;
    assert!(records(&world).await.is_empty());
    append_all(&world, &[record(1, 1)]).await;
    append_all(&world, &[record(1, 1), record(1, 1)]).await;
    assert_eq!(records(&world).await.len(), 3);
}

/// "The shards, in a stable order."
pub async fn shards_come_in_a_stable_order<W: EventStream + StreamSource>(world: W) {
    let shards = ok(world.shards().await);
    assert!(!shards.is_empty());
    append_all(&world, &(0..50).map(|key| record(key, 0)).collect::<Vec<_>>()).await;
    assert_eq!(ok(world.shards().await), shards);
}

/// "Saving the same or an older number changes nothing."
pub async fn a_checkpoint_never_moves_back<W: Checkpoints + StreamSource>(world: W) {
    let shard = there(ok(world.shards().await).into_iter().next(), "a shard");
    assert_eq!(ok(world.load("c", &shard).await), None);
    // As text "10" lies before "9": sequence numbers are numbers.
    for (saved, expected) in [("9", "9"), ("10", "10"), ("9", "10"), ("10", "10"), ("100", "100")] {
        ok(world.save("c", &shard, saved).await);
        assert_eq!(ok(world.load("c", &shard).await).as_deref(), Some(expected));
    }
}

/// A checkpoint belongs to one consumer and one shard.
pub async fn checkpoints_of_consumers_and_shards_are_apart<W: Checkpoints + StreamSource>(
    world: W,
) {
    let shards = ok(world.shards().await);
    for (number, shard) in shards.iter().enumerate() {
        ok(world.save("c", shard, &(number + 5).to_string()).await);
    }
    for (number, shard) in shards.iter().enumerate() {
        assert_eq!(ok(world.load("c", shard).await), Some((number + 5).to_string()));
        assert_eq!(ok(world.load("d", shard).await), None);
    }
}

fn failed(consumer: &str, first: usize, minutes: i64) -> FailedInvocation {
    FailedInvocation {
        consumer: consumer.to_owned(),
        shard: "shard-0".to_owned(),
        sequences: (first.to_string(), (first + 1).to_string()),
        at: now().plus_ms(minutes * 60_000),
        condition: "RetryAttemptsExhausted".to_owned(),
        payload: r#"{"Records":[{"kinesis":{"sequenceNumber":"1","data":""}},{"kinesis":{"sequenceNumber":"2","data":""}}]}"#.to_owned(),
    }
}

/// "Keeping the same (consumer, shard, sequences) twice keeps it once." "Forgetting an unknown one changes nothing."
pub async fn a_given_up_invocation_is_kept_once_and_as_it_was<W: OnFailure>(world: W) {
    let (one, other) = (failed("c", 1, 0), failed("d", 1, 1));
    let mut again = one.clone();
    again.at = again.at.plus_ms(5);
    for held in [&one, &again, &other] {
        ok(world.hold(held.clone()).await);
    }
    let held = ok(world.held("c", 10).await);
    assert_eq!(held.len(), 1);
    let kept = there(held.first().cloned(), "the first one");
    assert!(kept == one || kept == again);
    assert_eq!(ok(world.held("e", 10).await), []);
    ok(world.forget(&failed("e", 1, 0)).await);
    ok(world.forget(&kept).await);
    ok(world.forget(&kept).await);
    assert_eq!(ok(world.held("c", 10).await), []);
    assert_eq!(ok(world.held("d", 10).await), [other]);
}

/// "What is held of `consumer`, oldest first, at most `limit`."
pub async fn given_up_invocations_come_oldest_first<W: OnFailure>(world: W) {
    for (first, minutes) in [(1, 3), (5, 1), (9, 2)] {
        ok(world.hold(failed("d", first, 0)).await);
        ok(world.hold(failed("c", first, minutes)).await);
    }
    let firsts = |held: Vec<FailedInvocation>| -> Vec<String> {
        held.into_iter().map(|failed| failed.sequences.0).collect()
    };
    assert_eq!(firsts(ok(world.held("c", 10).await)), ["5", "9", "1"]);
    assert_eq!(firsts(ok(world.held("c", 2).await)), ["5", "9"]);
}
