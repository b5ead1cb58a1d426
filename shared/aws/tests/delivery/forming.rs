//! Forming under pressure: two holders, lost answers, full transactions, places that are sealed under one's hands.

use std::collections::BTreeSet;

use aws::{Cloud, resources::Resource};
use aws_sdk_dynamodb::types::AttributeValue;
use contract::{EventId, limits::RESCUES_MAX, staged::StagedEvent};
use ports::{
    delivery::{FormOutcome, Forming, Lease, Leases, Outbox},
    staging::Staging,
};

use crate::{
    network::Trouble,
    support::{Item, Rig, acme, batch, id, item, now, place_start, row, rows, text, timed_rows},
};

/// Forms until staging is empty, as a batcher does; answers the batches' sizes.
async fn form_all(cloud: &Cloud, lease: &mut Lease) -> Vec<usize> {
    let mut sizes = Vec::new();
    for _ in 0..50 {
        let rows = cloud.staged(&acme(), now(), 96).await.unwrap();
        if rows.is_empty() {
            return sizes;
        }
        let batch = batch(lease, &rows);
        match cloud.form(lease, Some(batch), &[], now()).await.unwrap() {
            FormOutcome::Formed => {
                sizes.push(rows.len());
                lease.next_seq += 1;
            }
            FormOutcome::Stale { gone, forwarded } => {
                assert_eq!((gone, forwarded), (Vec::new(), Vec::new()));
            }
            FormOutcome::Fenced => panic!("nobody else is here"),
        }
    }
    panic!("no end of forming");
}

async fn batched(rig: &Rig) -> Vec<EventId> {
    let batches = rig.items(Resource::Delivery, "D#acme", "B#").await;
    let events = |batch: &Item| -> Vec<(EventId, String)> {
        serde_json::from_str(text(batch, "events")).unwrap()
    };
    batches.iter().flat_map(events).map(|(id, _)| id).collect()
}

/// Every row is in exactly one batch, in staging order.
async fn assert_batched(rig: &Rig, rows: &[StagedEvent]) {
    let expected: Vec<_> = rows.iter().map(|row| row.event_id.clone()).collect();
    assert_eq!(batched(rig).await, expected);
    assert_eq!(rig.items(Resource::Staging, "", "").await.len(), 0);
    assert_eq!(rig.booked("formed").await, i64::try_from(rows.len()).unwrap());
}

#[test]
fn ninety_six_events_of_one_moment_and_their_place_fill_one_transaction() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(200, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let mut lease = rig.lease().await;
        assert_eq!(form_all(&rig.cloud, &mut lease).await, [96, 96, 8]);
        assert_batched(&rig, &rows).await;
        assert_eq!(rig.items(Resource::Dedupe, "F#acme#0#", "").await.len(), 3);
    });
}

#[test]
fn events_under_chosen_ids_take_a_marker_each_and_fewer_of_them_fit() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = rows(0..100);
        rig.cloud.stage(&rows).await.unwrap();
        let mut lease = rig.lease().await;
        assert_eq!(form_all(&rig.cloud, &mut lease).await, [48, 48, 4]);
        assert_batched(&rig, &rows).await;
        assert_eq!(rig.items(Resource::Dedupe, "N#acme#", "0").await.len(), 100);
    });
}

#[test]
fn what_was_formed_and_comes_again_leaves_without_being_formed_twice() {
    standin::run(async {
        let rig = Rig::open().await;
        let all = [rows(0..3), timed_rows(3, 5)].concat();
        let (lease, _) = rig.formed(&all).await;
        let other = rig.other();
        other.stage(&all).await.unwrap();
        other.stage(&rows(3..4)).await.unwrap();
        let staged = other.staged(&acme(), now(), 96).await.unwrap();
        assert_eq!(staged.len(), 7);
        let outcome = other.form(&lease, Some(batch(&lease, &staged)), &[], now()).await.unwrap();
        let FormOutcome::Stale { gone, forwarded } = outcome else { panic!("{outcome:?}") };
        let known: BTreeSet<_> = all.iter().map(|row| row.event_id.clone()).collect();
        assert_eq!((gone.len(), BTreeSet::from_iter(forwarded.clone())), (0, known));
        let batch = batch(&lease, &rows(3..4));
        let outcome = other.form(&lease, Some(batch), &forwarded, now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        assert_eq!(rig.booked("formed").await, 7);
        assert_eq!(other.staged(&acme(), now(), 96).await.unwrap(), []);
    });
}

#[test]
fn of_two_holders_who_form_at_once_only_the_later_granted_does() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(5, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let lost = rig.lease().await;
        let (other, theirs) = (rig.other(), rows.clone());
        // Paused for longer than its lease between reading and writing, the first finds another holder.
        let overtaking = Box::pin(async move {
            let later = now().plus_ms(700_000);
            let lease = other.acquire(&acme(), later, later.plus_ms(60_000)).await.unwrap();
            let lease = lease.unwrap();
            let batch = batch(&lease, &theirs[..2]);
            let outcome = other.form(&lease, Some(batch), &[], later).await.unwrap();
            assert_eq!(outcome, FormOutcome::Formed);
        });
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(overtaking));
        let outcome = rig.cloud.form(&lost, Some(batch(&lost, &rows)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Fenced);
        assert_eq!(batched(&rig).await.len(), 2);
        assert_eq!(rig.cloud.staged(&acme(), now(), 96).await.unwrap(), rows[2..]);
        assert_eq!(rig.booked("formed").await, 2);
    });
}

#[test]
fn a_place_that_somebody_else_wrote_to_in_the_meantime_is_read_again() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(6, 10);
        let (mine, given_up) = rows.split_at(5);
        rig.cloud.stage(mine).await.unwrap();
        let lease = rig.lease().await;
        let other = rig.other();
        let past = StagedEvent { rescues: RESCUES_MAX + 1, ..given_up[0].clone() };
        let parking = Box::pin(async move { other.rescue(&[past]).await.unwrap() });
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(parking));
        let outcome = rig.cloud.form(&lease, Some(batch(&lease, mine)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        assert_eq!((rig.booked("formed").await, rig.booked("parked").await), (5, 1));
        assert_eq!(rig.items(Resource::Dedupe, "F#acme#0#", "").await.len(), 2);
    });
}

#[test]
fn a_row_that_ttl_takes_between_reading_and_writing_keeps_the_others_out() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = rows(0..3);
        rig.cloud.stage(&rows).await.unwrap();
        let lease = rig.lease().await;
        let found = rig.items(Resource::Staging, "", "event.0001").await;
        let ttl = rig.deletion(Resource::Staging, &found[0]);
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(ttl));
        let outcome = rig.cloud.form(&lease, Some(batch(&lease, &rows)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Stale { gone: vec![id(1)], forwarded: Vec::new() });
        assert_eq!(batched(&rig).await, []);
    });
}

#[test]
fn a_batch_whose_answer_was_lost_is_formed_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(5, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let lease = rig.lease().await;
        rig.network.arrange("TransactWriteItems", "", Trouble::Lose);
        let outcome = rig.cloud.form(&lease, Some(batch(&lease, &rows)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed, "the repeat carries the same token");
        assert_batched(&rig, &rows).await;
    });
}

#[test]
fn a_batch_whose_answer_was_lost_in_a_busy_table_is_formed_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(5, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let lease = rig.lease().await;
        // The client gives up after four attempts; the next call is the same transaction all the same.
        rig.network.arrange("TransactWriteItems", "", Trouble::Lose);
        let busy = || Trouble::Error("TransactionInProgressException");
        rig.network.arrange_all(3, "TransactWriteItems", "", busy);
        let outcome = rig.cloud.form(&lease, Some(batch(&lease, &rows)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        assert_batched(&rig, &rows).await;
    });
}

#[test]
fn a_batch_that_nobody_heard_of_is_found_by_the_next_holder() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(5, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let lease = rig.lease().await;
        rig.network.arrange_all(9, "TransactWriteItems", "", || Trouble::Lose);
        let made = batch(&lease, &rows);
        let error = rig.cloud.form(&lease, Some(made.clone()), &[], now()).await.unwrap_err();
        assert!(error.transient);
        rig.network.settle();
        let again = rig.cloud.form(&lease, Some(made.clone()), &[], now()).await.unwrap();
        assert!(matches!(again, FormOutcome::Stale { .. }), "{again:?}");
        rig.cloud.release(&lease, lease.breaker).await.unwrap();
        assert_eq!(rig.lease().await.next_seq, lease.next_seq + 1);
        assert_eq!(rig.cloud.head(&acme()).await.unwrap().unwrap().batch, made);
        assert_batched(&rig, &rows).await;
    });
}

#[test]
fn a_busy_table_is_tried_again_and_then_left() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(5, 10);
        rig.cloud.stage(&rows).await.unwrap();
        let lease = rig.lease().await;
        let busy = || Trouble::Error("TransactionCanceledException");
        rig.network.arrange_all(60, "TransactWriteItems", "", busy);
        let made = batch(&lease, &rows);
        let error = rig.cloud.form(&lease, Some(made.clone()), &[], now()).await.unwrap_err();
        assert!(error.transient, "{error}");
        rig.network.settle();
        rig.network.arrange_all(3, "TransactWriteItems", "", busy);
        let outcome = rig.cloud.form(&lease, Some(made), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
    });
}

/// The first segment of the coarsest place of these rows, if it says that the place is full.
fn sealed(rows: &[StagedEvent]) -> Item {
    let slot = rows[0].staged_at.ms() >> 20;
    let mut seal = item([("pk", &format!("F#acme#0#{slot}")), ("sk", "0000")]);
    seal.insert("seal".to_owned(), AttributeValue::Bool(true));
    seal
}

#[test]
fn below_a_sealed_place_events_take_more_places_and_fewer_of_them_fit() {
    standin::run(async {
        let rig = Rig::open().await;
        // Eight finer places of 66 seconds each, twelve or thirteen events in each.
        let rows = timed_rows(100, 5_200);
        rig.cloud.stage(&rows).await.unwrap();
        rig.put(Resource::Dedupe, sealed(&rows)).await;
        let mut lease = rig.lease().await;
        let sizes = form_all(&rig.cloud, &mut lease).await;
        assert!(sizes[0] < 96 && sizes[0] > 80, "{sizes:?}");
        assert_batched(&rig, &rows).await;
        assert!(rig.items(Resource::Dedupe, "F#acme#1#", "").await.len() > 7);
    });
}

#[test]
fn a_place_that_is_sealed_between_reading_and_forming_makes_the_batch_smaller_and_loses_nothing() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = timed_rows(96, 5_200);
        rig.cloud.stage(&rows).await.unwrap();
        let mut lease = rig.lease().await;
        let read = rig.cloud.staged(&acme(), now(), 96).await.unwrap();
        assert_eq!(read.len(), 96);
        rig.put(Resource::Dedupe, sealed(&rows)).await;
        let outcome = rig.cloud.form(&lease, Some(batch(&lease, &read)), &[], now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Stale { gone: Vec::new(), forwarded: Vec::new() });
        form_all(&rig.cloud, &mut lease).await;
        assert_batched(&rig, &rows).await;
    });
}

#[test]
fn a_long_backlog_is_formed_completely_and_each_event_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let start = place_start();
        // The order of the ids is not the order in which they came.
        let mut rows: Vec<_> = (0..600)
            .map(|number| {
                let chosen = format!("{:04}.{number}", number * 7_919 % 600);
                row(&EventId::parse(chosen).unwrap(), start.plus_ms(i64::from(number)))
            })
            .collect();
        for part in rows.chunks(100) {
            rig.cloud.stage(part).await.unwrap();
        }
        let mut lease = rig.lease().await;
        form_all(&rig.cloud, &mut lease).await;
        let mut found = batched(&rig).await;
        found.sort();
        rows.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        let expected: Vec<_> = rows.into_iter().map(|row| row.event_id).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn rows_that_have_not_settled_do_not_hide_those_that_have() {
    standin::run(async {
        let rig = Rig::open().await;
        let (at, settled_before) = (now().plus_ms(-60_000), now().plus_ms(-30_000));
        let fresh: Vec<_> =
            (0..200).map(|number| row(&id(number), settled_before.plus_ms(1))).collect();
        let old: Vec<_> = (900..910).map(|number| row(&id(number), at)).collect();
        rig.cloud.stage(&fresh).await.unwrap();
        rig.cloud.stage(&old).await.unwrap();
        assert_eq!(rig.cloud.staged(&acme(), settled_before, 5).await.unwrap(), old[..5]);
        assert_eq!(rig.cloud.staged(&acme(), settled_before, 96).await.unwrap(), old);
    });
}

/// Whoever links the emitter may put what they like into this table.
#[test]
fn a_row_that_lies_under_another_key_than_its_own_holds_nobody_up() {
    standin::run(async {
        let rig = Rig::open().await;
        let rows = rows(0..3);
        rig.cloud.stage(&rows).await.unwrap();
        for mut stray in rig.items(Resource::Staging, "", "").await {
            let elsewhere = AttributeValue::S(format!("elsewhere.{}", text(&stray, "sk")));
            stray.insert("sk".to_owned(), elsewhere);
            rig.put(Resource::Staging, stray).await;
        }
        let mut foreign = rig.items(Resource::Staging, "", "event.0000").await[0].clone();
        foreign.insert("orgId".to_owned(), AttributeValue::S("globex".to_owned()));
        foreign.insert("sk".to_owned(), AttributeValue::S("event.0009".to_owned()));
        foreign.insert("eventId".to_owned(), AttributeValue::S("event.0009".to_owned()));
        rig.put(Resource::Staging, foreign).await;
        assert_eq!(rig.cloud.staged(&acme(), now(), 96).await.unwrap(), rows);
        let mut lease = rig.lease().await;
        assert_eq!(form_all(&rig.cloud, &mut lease).await, [3]);
        assert_eq!(rig.items(Resource::Staging, "", "").await.len(), 4, "TTL removes them");
    });
}
