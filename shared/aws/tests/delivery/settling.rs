//! Settling: full transactions, lost answers, two at once, announcements that wait, and parked events on their way again.

use aws::resources::Resource;
use contract::{Code, EventId, limits::RESCUES_MAX, staged::StagedEvent};
use domain::batching::{NewBatch, sequence};
use ports::{
    delivery::{FormOutcome, Leases, Outbox, ParkedEvent, Parking, SettleOutcome, Settlement},
    staging::Staging,
};

use crate::{
    network::Trouble,
    support::{Rig, acme, id, named_batch, now, rows, text, timed_rows},
};

const DELIVERED: Settlement = Settlement::Delivered { confirmed: true, enrichment: Vec::new() };

fn ids(batch: &NewBatch) -> Vec<EventId> {
    batch.events.iter().map(|event| event.event_id.clone()).collect()
}

fn parked(id: &EventId) -> ParkedEvent {
    ParkedEvent {
        event_id: id.clone(),
        reason: Code::ConnectorRejected,
        detail: "no such severity".to_owned(),
        body: format!(r#"{{"event":"{id}"}}"#).into_bytes(),
    }
}

/// The first `delivered` events were taken, the last `left` are tried again, and what is between is parked.
fn partial(batch: &NewBatch, delivered: usize, left: usize) -> Settlement {
    let ids = ids(batch);
    let (taken, others) = ids.split_at(delivered);
    let (refused, rest) = others.split_at(others.len() - left);
    Settlement::Partial {
        delivered: taken.to_vec(),
        parked: refused.iter().map(parked).collect(),
        remainder: (left > 0)
            .then(|| named_batch(&format!("{}.r1", batch.seq), rest.iter().cloned())),
        enrichment: taken.iter().map(|id| (id.clone(), "{}".to_owned())).collect(),
    }
}

#[test]
fn whatever_becomes_of_ninety_six_events_fits_one_transaction() {
    for (delivered, left) in [(0, 0), (1, 0), (0, 1), (1, 1), (48, 0), (47, 2), (95, 0), (95, 1)] {
        standin::run(async {
            let rig = Rig::open().await;
            let (lease, batch) = rig.formed(&timed_rows(96, 10)).await;
            let settlement = partial(&batch, delivered, left);
            let outcome = rig.cloud.settle(&lease, &batch.seq, settlement, now()).await.unwrap();
            assert_eq!(outcome, SettleOutcome::Settled);
            let count = |number: usize| i64::try_from(number).unwrap();
            let refused = 96 - delivered - left;
            assert_eq!(rig.booked("delivered").await, count(delivered));
            assert_eq!(rig.booked("parked").await, count(refused));
            let (from, to) = (now().plus_ms(-60_000), now().plus_ms(60_000));
            let expected: Vec<_> =
                ids(&batch)[delivered..delivered + refused].iter().map(parked).collect();
            assert_eq!(rig.cloud.parked(&acme(), from, to).await.unwrap(), expected);
            assert_eq!(rig.items(Resource::Delivery, "D#acme", "R#").await.len(), delivered);
            let head = rig.cloud.head(&acme()).await.unwrap();
            assert_eq!(head.map_or(0, |head| head.batch.events.len()), left);
        });
    }
}

#[test]
fn what_the_connector_says_about_a_whole_batch_is_kept_per_event_however_long_it_is() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&timed_rows(96, 10)).await;
        let said = format!(r#"{{"note":"{}"}}"#, "n".repeat(60_000));
        let enrichment = ids(&batch).into_iter().map(|id| (id, said.clone())).collect();
        let settlement = Settlement::Delivered { confirmed: true, enrichment };
        let outcome = rig.cloud.settle(&lease, &batch.seq, settlement, now()).await.unwrap();
        assert_eq!(outcome, SettleOutcome::Settled);
        let kept = rig.items(Resource::Delivery, "D#acme", "R#").await;
        assert!(kept.len() == 96 && kept.iter().all(|item| text(item, "answer") == said));
    });
}

#[test]
fn a_settlement_whose_answer_was_lost_is_settled_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..4)).await;
        rig.network.arrange("TransactWriteItems", "", Trouble::Lose);
        let outcome = rig.cloud.settle(&lease, &batch.seq, partial(&batch, 1, 1), now()).await;
        assert_eq!(outcome.unwrap(), SettleOutcome::Settled);
        let rest = format!("{}.r1", batch.seq);
        rig.network.arrange_all(9, "TransactWriteItems", "", || Trouble::Lose);
        let error = rig.cloud.settle(&lease, &rest, DELIVERED, now()).await.unwrap_err();
        assert!(error.transient);
        rig.network.settle();
        let again = rig.cloud.settle(&lease, &rest, DELIVERED, now()).await.unwrap();
        assert_eq!(again, SettleOutcome::Gone);
        assert_eq!((rig.booked("delivered").await, rig.booked("parked").await), (2, 2));
        assert_eq!(rig.items(Resource::Delivery, "D#acme", "X#").await.len(), 2);
    });
}

#[test]
fn a_retry_never_brings_a_batch_back_that_was_delivered_in_the_meantime() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..2)).await;
        let (other, theirs, seq) = (rig.other(), lease.clone(), batch.seq.clone());
        let delivering = Box::pin(async move {
            let outcome = other.settle(&theirs, &seq, DELIVERED, now()).await.unwrap();
            assert_eq!(outcome, SettleOutcome::Settled);
        });
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(delivering));
        let at = now().plus_ms(60_000);
        let retry = Settlement::Retry { at, counts: true, error: "http 500".to_owned() };
        let outcome = rig.cloud.settle(&lease, &batch.seq, retry, now()).await.unwrap();
        assert_eq!(outcome, SettleOutcome::Gone);
        assert_eq!(rig.cloud.head(&acme()).await.unwrap(), None);
        assert_eq!(rig.booked("delivered").await, 2);
    });
}

#[test]
fn a_batch_that_two_deliver_at_once_is_booked_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..2)).await;
        let (other, theirs, seq) = (rig.other(), lease.clone(), batch.seq.clone());
        let delivering = Box::pin(async move {
            other.settle(&theirs, &seq, DELIVERED, now()).await.unwrap();
        });
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(delivering));
        let outcome = rig.cloud.settle(&lease, &batch.seq, DELIVERED, now()).await.unwrap();
        assert_eq!(outcome, SettleOutcome::Gone);
        assert_eq!(rig.booked("delivered").await, 2);
    });
}

#[test]
fn a_settlement_that_names_other_events_than_its_batch_changes_nothing() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..3)).await;
        let wrong = [
            Settlement::Split(vec![named_batch("000000000001.0", [id(0), id(1)])]),
            Settlement::Split(vec![named_batch("000000000001.0", [id(0), id(1), id(1)])]),
            Settlement::Partial {
                delivered: vec![id(0), id(1), id(2)],
                parked: vec![parked(&id(2))],
                remainder: None,
                enrichment: Vec::new(),
            },
        ];
        for settlement in wrong {
            let error = rig.cloud.settle(&lease, &batch.seq, settlement, now()).await.unwrap_err();
            assert!(!error.transient);
        }
        assert_eq!(rig.cloud.head(&acme()).await.unwrap().unwrap().batch, batch);
    });
}

#[test]
fn a_settlement_is_announced_at_once_and_as_one_thing() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..4)).await;
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 1, 0), now()).await.unwrap();
        assert_eq!(rig.network.calls("PutEvents"), 1);
        assert_eq!(rig.items(Resource::Delivery, "D#acme", "O#").await.len(), 0);
    });
}

#[test]
fn what_the_bus_did_not_take_is_published_by_the_next_holder_of_the_lease() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..4)).await;
        rig.network.arrange_all(9, "PutEvents", "", || Trouble::Refuse);
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 1, 0), now()).await.unwrap();
        rig.network.settle();
        let waiting = rig.items(Resource::Delivery, "D#acme", "O#").await;
        assert_eq!(waiting.len(), 1);
        assert_eq!(text(&waiting[0], "sk"), "O#batch.delivered/acme/000000000001");
        let past = StagedEvent { rescues: RESCUES_MAX + 1, ..rows(7..8)[0].clone() };
        rig.cloud.rescue(&[past]).await.unwrap();
        let waiting = rig.items(Resource::Delivery, "D#acme", "O#").await;
        assert_eq!(text(&waiting[1], "sk"), "O#batch.parked/acme/event.0007");
        rig.cloud.release(&lease, lease.breaker).await.unwrap();
        let before = rig.network.calls("PutEvents");
        rig.lease().await;
        assert_eq!(rig.network.calls("PutEvents"), before + 1);
        assert_eq!(rig.items(Resource::Delivery, "D#acme", "O#").await.len(), 0);
    });
}

#[test]
fn a_lease_whose_answer_was_lost_is_held_all_the_same() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.network.arrange("UpdateItem", "leaseUntil", Trouble::Lose);
        let lease = rig.lease().await;
        assert!(rig.cloud.renew(&lease, now().plus_ms(900_000)).await.unwrap());
        let later = now().plus_ms(60_000);
        assert_eq!(rig.other().acquire(&acme(), now(), later).await.unwrap(), None);
        rig.network.arrange("UpdateItem", "leaseUntil", Trouble::Lose);
        rig.cloud.release(&lease, lease.breaker).await.unwrap();
        assert!(rig.other().acquire(&acme(), now(), later).await.unwrap().is_some());
    });
}

#[test]
fn an_event_that_was_never_in_a_batch_is_formed_when_it_is_unparked() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..2)).await;
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 0, 0), now()).await.unwrap();
        let past = StagedEvent { rescues: RESCUES_MAX + 1, ..rows(7..8)[0].clone() };
        rig.cloud.rescue(&[past]).await.unwrap();
        assert_eq!((rig.booked("formed").await, rig.booked("parked").await), (2, 3));
        let again = named_batch(&sequence(lease.next_seq), [id(1), id(7)]);
        // A repeat of the call finds the events gone; a repeat within the call is the same one.
        rig.network.arrange("TransactWriteItems", "", Trouble::Lose);
        let outcome = rig.cloud.unpark(&lease, again.clone(), now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        assert_eq!((rig.booked("formed").await, rig.booked("parked").await), (3, 1));
        let outcome = rig.cloud.unpark(&lease, again.clone(), now()).await.unwrap();
        let gone = vec![id(1), id(7)];
        assert_eq!(outcome, FormOutcome::Stale { gone, forwarded: Vec::new() });
        assert_eq!(rig.cloud.head(&acme()).await.unwrap().unwrap().batch, again);
    });
}

#[test]
fn of_two_who_unpark_the_same_event_one_does() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..2)).await;
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 0, 0), now()).await.unwrap();
        let (other, theirs) = (rig.other(), lease.clone());
        let unparking = Box::pin(async move {
            let again = named_batch(&sequence(theirs.next_seq), [id(0)]);
            let outcome = other.unpark(&theirs, again, now()).await.unwrap();
            assert_eq!(outcome, FormOutcome::Formed);
        });
        rig.network.arrange("TransactWriteItems", "", Trouble::Meanwhile(unparking));
        let again = named_batch(&sequence(lease.next_seq), [id(0), id(1)]);
        let outcome = rig.cloud.unpark(&lease, again, now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Fenced, "the number was used");
        assert_eq!(rig.booked("parked").await, 1);
    });
}

#[test]
fn an_event_that_left_its_parking_place_in_the_meantime_is_in_no_batch() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&rows(0..2)).await;
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 0, 0), now()).await.unwrap();
        let found = rig.items(Resource::Delivery, "D#acme", "P#event.0001").await;
        rig.network.arrange(
            "TransactWriteItems",
            "",
            Trouble::Meanwhile(rig.deletion(Resource::Delivery, &found[0])),
        );
        let again = named_batch(&sequence(lease.next_seq), [id(0), id(1)]);
        let outcome = rig.cloud.unpark(&lease, again, now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Stale { gone: vec![id(1)], forwarded: Vec::new() });
        assert_eq!(rig.cloud.head(&acme()).await.unwrap(), None);
        assert_eq!(rig.booked("parked").await, 2);
    });
}

#[test]
fn all_ninety_six_parked_events_go_on_in_one_batch() {
    standin::run(async {
        let rig = Rig::open().await;
        let (lease, batch) = rig.formed(&timed_rows(96, 10)).await;
        rig.cloud.settle(&lease, &batch.seq, partial(&batch, 0, 0), now()).await.unwrap();
        let again = named_batch(&sequence(lease.next_seq), ids(&batch));
        let outcome = rig.cloud.unpark(&lease, again.clone(), now()).await.unwrap();
        assert_eq!(outcome, FormOutcome::Formed);
        assert_eq!(rig.booked("parked").await, 0);
        assert_eq!(rig.cloud.head(&acme()).await.unwrap().unwrap().batch, again);
    });
}
