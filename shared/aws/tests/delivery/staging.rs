//! Staging and rescuing at their limits.

use aws::resources::Resource;
use contract::{Code, limits::RESCUES_MAX, staged::StagedEvent};
use ports::{
    delivery::{Forming, Parking},
    staging::{Staged, Staging},
};

use crate::{
    network::Trouble,
    support::{Rig, acme, id, item, now, row, rows},
};

#[test]
fn an_event_larger_than_any_door_takes_is_refused_before_anything_is_written() {
    standin::run(async {
        let rig = Rig::open().await;
        let mut rows = rows(0..2);
        rows[1].body = "x".repeat(40_000);
        let error = rig.cloud.stage(&rows).await.unwrap_err();
        assert!(!error.transient && !error.to_string().contains("xxx"));
        assert_eq!(rig.items(Resource::Staging, "", "").await.len(), 0);
    });
}

#[test]
fn a_put_whose_answer_was_lost_is_known_and_nothing_is_lost_in_a_throttled_table() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.network.arrange("PutItem", "event.0000", Trouble::Lose);
        rig.network.arrange("PutItem", "event.0001", Trouble::Refuse);
        rig.network.arrange("PutItem", "event.0002", Trouble::Error("ThrottlingException"));
        let conflict = || Trouble::Error("TransactionConflictException");
        rig.network.arrange_all(3, "PutItem", "event.0003", conflict);
        let staged = rig.cloud.stage(&rows(0..4)).await.unwrap();
        assert_eq!(staged, [Staged::Known, Staged::New, Staged::New, Staged::New]);
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap().len(), 4);
    });
}

#[test]
fn of_two_bodies_under_one_id_the_first_wins_however_long_it_takes() {
    standin::run(async {
        let rig = Rig::open().await;
        let at = now().plus_ms(-60_000);
        let (first, second) = (row(&id(0), at), row(&id(0), at.plus_ms(1_000)));
        rig.network.arrange("PutItem", &format!("{}", first.ck), Trouble::Refuse);
        let staged = rig.cloud.stage(&[first.clone(), second]).await.unwrap();
        assert_eq!(staged, [Staged::New, Staged::Collision]);
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap(), [first]);
    });
}

#[test]
fn a_table_that_stays_busy_is_a_failure_that_may_pass() {
    standin::run(async {
        let rig = Rig::open().await;
        let conflict = || Trouble::Error("TransactionConflictException");
        rig.network.arrange_all(50, "PutItem", "event.0000", conflict);
        assert!(rig.cloud.stage(&rows(0..1)).await.unwrap_err().transient);
        assert!(rig.network.calls("PutItem") < 20);
    });
}

#[test]
fn the_directory_is_written_once_per_process_and_before_the_first_row() {
    standin::run(async {
        let rig = Rig::open().await;
        let delivery = rig.table(Resource::Delivery).to_owned();
        rig.network.arrange_all(4, "PutItem", &delivery, || Trouble::Refuse);
        assert!(rig.cloud.stage(&rows(0..1)).await.is_err());
        rig.network.settle();
        assert_eq!(rig.items(Resource::Staging, "", "").await.len(), 0);
        let before = rig.network.calls("PutItem");
        for number in 0..3 {
            rig.cloud.stage(&rows(number..number + 1)).await.unwrap();
        }
        assert_eq!(rig.network.calls("PutItem") - before, 4);
        assert_eq!(rig.cloud.organisations().await.unwrap(), [acme()]);
    });
}

#[test]
fn a_row_that_nobody_can_read_stops_nobody() {
    standin::run(async {
        let rig = Rig::open().await;
        let mut alien = item([("pk", "S#acme#0"), ("sk", "!"), ("note", "not ours")]);
        alien.insert(
            "stagedAt".to_owned(),
            aws_sdk_dynamodb::types::AttributeValue::N("5".to_owned()),
        );
        rig.put(Resource::Staging, alien).await;
        let rows = rows(0..30);
        rig.cloud.stage(&rows).await.unwrap();
        assert_eq!(rig.cloud.staged(&acme(), now(), 30).await.unwrap(), rows);
    });
}

fn rescued(row: &StagedEvent, rescues: u32) -> StagedEvent {
    StagedEvent { rescues, ..row.clone() }
}

#[test]
fn of_a_rescue_and_a_door_at_once_the_row_that_is_staged_stays() {
    standin::run(async {
        let rig = Rig::open().await;
        let row = rows(0..1).remove(0);
        let past = rescued(&row, RESCUES_MAX + 1);
        let (other, staged) = (rig.other(), [row.clone()]);
        let door = Box::pin(async move {
            other.stage(&staged).await.unwrap();
        });
        rig.network.arrange("TransactWriteItems", "event.0000", Trouble::Meanwhile(door));
        rig.cloud.rescue(&[past]).await.unwrap();
        assert_eq!(rig.cloud.staged(&acme(), now(), 10).await.unwrap(), [row]);
        assert_eq!(rig.items(Resource::Delivery, "D#acme", "P#").await.len(), 0);
        assert_eq!(rig.booked("parked").await, 0);
    });
}

#[test]
fn an_event_that_two_rescues_give_up_at_once_is_parked_once() {
    standin::run(async {
        let rig = Rig::open().await;
        let past = rescued(&row(&id(0), now().plus_ms(-60_000)), RESCUES_MAX + 1);
        let (other, same) = (rig.other(), past.clone());
        let first = Box::pin(async move {
            other.rescue(&[same]).await.unwrap();
        });
        rig.network.arrange("TransactWriteItems", "event.0000", Trouble::Meanwhile(first));
        rig.cloud.rescue(std::slice::from_ref(&past)).await.unwrap();
        rig.network.arrange("TransactWriteItems", "event.0000", Trouble::Lose);
        rig.cloud.rescue(&[past]).await.unwrap();
        assert_eq!(rig.booked("parked").await, 1);
        let (from, to) = (now().plus_ms(-600_000), now().plus_ms(600_000));
        let parked = rig.cloud.parked(&acme(), from, to).await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(parked[0].reason, Code::RescuesExhausted);
    });
}

/// Whoever links the emitter may put what they like into the directory.
#[test]
fn an_entry_of_the_directory_that_names_no_organisation_hides_no_other() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.stage(&rows(0..1)).await.unwrap();
        for partition in 0..16 {
            let partition = format!("DIR#{partition}");
            let stray = item([("pk", partition.as_str()), ("sk", "no organisation!")]);
            rig.put(Resource::Delivery, stray).await;
        }
        assert_eq!(rig.cloud.organisations().await.unwrap(), [acme()]);
    });
}
