//! Laws of intake and staging.

use contract::{
    Code, Event, OrgId,
    collision::CollidedRecord,
    ingest::{EventAnswer, EventStatus},
};
use domain::admit;

use super::{
    ok,
    sample::{Kind, Told, changes, encoded, event, ids, now, org, records, row, rows},
};
use crate::{
    delivery::Forming,
    intake::{Entry, Idempotency, Intake, Put, Receipt, Submission},
    staging::{Staged, Staging},
    stream::{StreamRecord, StreamSource},
};

fn answer(index: usize, event: &Event) -> EventAnswer {
    EventAnswer {
        index,
        event_id: Some(event.event_id.to_string()),
        status: EventStatus::Accepted,
        code: None,
        path: None,
    }
}

/// What a door writes for an event: friction to staging, everything else to the stream.
fn entry(index: usize, event: &Event, kind: Kind) -> Entry {
    let put = match kind {
        Kind::Friction | Kind::Private => Put::Stage(row(event)),
        Kind::Click => Put::Stream {
            event_id: event.event_id.clone(),
            ck: admit::ck_of(event),
            record: StreamRecord {
                partition_key: admit::partition_key(event),
                data: encoded(event).into_bytes(),
            },
        },
    };
    Entry { org: event.org_id.clone(), answer: answer(index, event), put }
}

fn submission(org: &OrgId, numbers: std::ops::Range<usize>) -> Submission {
    let kind = |number| if number % 2 == 0 { Kind::Friction } else { Kind::Click };
    let at = now().plus_ms(-60_000);
    let entries = numbers
        .enumerate()
        .map(|(index, number)| entry(index, &event(org, number, kind(number), at), kind(number)))
        .collect();
    Submission { at, idempotency: None, entries }
}

/// Events 0 to 3, and events 2 to 5: two of them in both.
fn overlapping(org: &OrgId) -> [Submission; 2] {
    let mut first = submission(org, 0..6);
    let mut second = Submission { entries: first.entries.split_off(2), ..first.clone() };
    first.entries.extend(second.entries.iter().take(2).cloned());
    for (index, entry) in second.entries.iter_mut().enumerate() {
        entry.answer.index = index;
    }
    [first, second]
}

/// The body of an event that was refused and travels on, if a record is one.
fn collided(record: &[u8]) -> Option<String> {
    let record: CollidedRecord<'_> = serde_json::from_slice(record).ok()?;
    Some(record.collided.get().to_owned())
}

fn statuses(receipt: Receipt) -> Vec<(EventStatus, Option<Code>)> {
    match receipt {
        Receipt::Stored(answers) => {
            answers.into_iter().map(|answer| (answer.status, answer.code)).collect()
        }
        Receipt::Repeated(_) | Receipt::Conflict => panic!("it was not stored: {receipt:?}"),
    }
}

/// "Everything is durable; the answers are the entries' own."
pub async fn a_submission_is_durable_and_answered_as_proposed<
    W: Intake + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let mut submitted = submission(&acme, 0..4);
    let refused = EventAnswer {
        index: 4,
        event_id: None,
        status: EventStatus::Rejected,
        code: Some(Code::MissingField),
        path: Some("/eventId".to_owned()),
    };
    submitted.entries.push(Entry { org: acme.clone(), answer: refused, put: Put::Nothing });
    let proposed: Vec<_> = submitted.entries.iter().map(|entry| entry.answer.clone()).collect();
    let receipt = ok(world.submit(submitted.clone()).await);
    assert_eq!(receipt, Receipt::Stored(proposed));

    let staged = ok(world.staged(&acme, now(), 10).await);
    let rows = submitted.entries.iter().filter_map(|entry| match &entry.put {
        Put::Stage(row) => Some(row.clone()),
        Put::Stream { .. } | Put::Nothing => None,
    });
    assert_eq!(staged, rows.collect::<Vec<_>>());
    assert_eq!(changes(&world).await.len(), 2, "one change record per staged row");
    let plain = records(&world).await.into_iter().filter(|record| {
        submitted.entries.iter().any(|entry| match &entry.put {
            Put::Stream { record: sent, .. } => {
                sent.data == record.data && sent.partition_key == record.partition_key
            }
            Put::Stage(_) | Put::Nothing => false,
        })
    });
    assert_eq!(plain.count(), 2);
    assert_eq!(records(&world).await.len(), 4);
}

/// "Repeating it stores nothing twice: events are known by (organisation, id)."
pub async fn a_repeated_event_is_a_duplicate_and_is_not_written_again<
    W: Intake + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let [first, second] = overlapping(&acme);
    ok(world.submit(first).await);
    let before = records(&world).await;
    let again = statuses(ok(world.submit(second).await));
    let (known, new) = ((EventStatus::Duplicate, None), (EventStatus::Accepted, None));
    assert_eq!(again, [known, known, new, new]);
    assert_eq!(records(&world).await.len(), before.len() + 2);
    assert_eq!(ok(world.staged(&acme, now(), 10).await).len(), 3);
}

/// "`Rejected` with `id_collision` when the known event has another body (that body travels on to quarantine)."
pub async fn another_body_under_a_known_id_is_refused_and_travels_on<
    W: Intake + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let at = now().plus_ms(-60_000);
    ok(world.submit(submission(&acme, 0..2)).await);
    let staged = ok(world.staged(&acme, now(), 10).await);
    // Event 0 was friction and event 1 a click: each comes again as the other kind, and as itself changed.
    let others = [
        entry(0, &event(&acme, 0, Kind::Click, at), Kind::Click),
        entry(1, &event(&acme, 1, Kind::Friction, at), Kind::Friction),
        entry(2, &event(&acme, 0, Kind::Friction, at.plus_ms(-9)), Kind::Friction),
    ];
    for other in others {
        let before = records(&world).await.len();
        let again = Submission { at, idempotency: None, entries: vec![other] };
        let refused = (EventStatus::Rejected, Some(Code::IdCollision));
        assert_eq!(statuses(ok(world.submit(again).await)), [refused]);
        assert_eq!(records(&world).await.len(), before + 1, "the other body did not travel on");
        assert_eq!(ok(world.staged(&acme, now(), 10).await), staged, "the first did not win");
    }
}

/// A staged event that comes again while it is staged is a duplicate, and is not written again. Of every other event the
/// answer may be that it was accepted: then its record comes again too, and whoever reads it knows it by its marker.
pub async fn a_staged_event_that_comes_again_is_a_duplicate<W: Intake + Forming + StreamSource>(
    world: W,
) {
    let acme = org("acme");
    let [first, second] = overlapping(&acme);
    ok(world.submit(first).await);
    let before = (changes(&world).await.len(), records(&world).await.len());
    let again = statuses(ok(world.submit(second).await));
    let [staged, streamed, new @ ..] = again.as_slice() else { panic!("four answers") };
    assert_eq!(*staged, (EventStatus::Duplicate, None));
    assert_eq!(new, [(EventStatus::Accepted, None); 2]);
    let appended = match streamed {
        (EventStatus::Duplicate, None) => 0,
        (EventStatus::Accepted, None) => 1,
        other => panic!("a record that comes again is {other:?}"),
    };
    assert_eq!(changes(&world).await.len(), before.0 + 1);
    assert_eq!(records(&world).await.len(), before.1 + 2 + appended);
    assert_eq!(ok(world.staged(&acme, now(), 10).await).len(), 3);
}

/// "`Rejected` with `id_collision` when the known event has another body (that body travels on to quarantine)", as far
/// as a staging row makes the event known.
pub async fn another_body_under_a_staged_id_is_refused_and_travels_on<
    W: Intake + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    ok(world.submit(submission(&acme, 0..2)).await);
    let staged = ok(world.staged(&acme, now(), 10).await);
    let before = (changes(&world).await.len(), records(&world).await.len());
    let at = now().plus_ms(-60_000);
    let other = event(&acme, 0, Kind::Friction, at.plus_ms(-9));
    let entries = vec![entry(0, &other, Kind::Friction)];
    let again = Submission { at, idempotency: None, entries };
    let refused = (EventStatus::Rejected, Some(Code::IdCollision));
    assert_eq!(statuses(ok(world.submit(again).await)), [refused]);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), staged, "the first did not win");
    assert_eq!(changes(&world).await.len(), before.0);
    let records = records(&world).await;
    assert_eq!(records.len(), before.1 + 1, "the other body did not travel on");
    let body = encoded(&other);
    let collided = records.iter().filter_map(|record| collided(&record.data));
    assert_eq!(collided.collect::<Vec<_>>(), [body], "it travelled on as what it is");
}

/// "An event that collides with an earlier one of the request is rejected and has its body here all the same": that body
/// travels on and is never staged, whatever the earlier one is.
pub async fn of_two_bodies_in_a_request_the_first_wins<W: Intake + Forming + StreamSource>(
    world: W,
) {
    let acme = org("acme");
    let at = now().plus_ms(-60_000);
    let refused = |index, event: &Event, kind| {
        let own = entry(index, event, kind);
        let (status, code) = (EventStatus::Rejected, Some(Code::IdCollision));
        Entry { answer: EventAnswer { status, code, ..own.answer }, ..own }
    };
    let first = event(&acme, 0, Kind::Friction, at);
    let entries = vec![
        entry(0, &first, Kind::Friction),
        refused(1, &event(&acme, 0, Kind::Friction, at.plus_ms(-9)), Kind::Friction),
        entry(2, &event(&acme, 1, Kind::Click, at), Kind::Click),
        refused(3, &event(&acme, 1, Kind::Friction, at), Kind::Friction),
        refused(4, &event(&acme, 0, Kind::Click, at), Kind::Click),
    ];
    let proposed: Vec<_> = entries.iter().map(|entry| entry.answer.clone()).collect();
    let receipt = ok(world.submit(Submission { at, idempotency: None, entries }).await);
    assert_eq!(receipt, Receipt::Stored(proposed));
    assert_eq!(ok(world.staged(&acme, now(), 10).await), [row(&first)]);
    assert_eq!(changes(&world).await.len(), 1);
    let records = records(&world).await;
    assert_eq!(records.len(), 5, "a change record and every other body");
    assert_eq!(records.iter().filter_map(|record| collided(&record.data)).count(), 3);
}

/// "The same request was stored before: its answers, as they were given." "The idempotency key belongs to another body;
/// nothing was written."
pub async fn an_idempotency_key_gets_its_answer_again_and_guards_its_body<
    W: Intake + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let claim =
        |key: &str, byte| Some(Idempotency { key: format!("acme/{key}"), body_hash: [byte; 32] });
    let first = Submission { idempotency: claim("k", 1), ..submission(&acme, 0..3) };
    let Receipt::Stored(given) = ok(world.submit(first.clone()).await) else {
        panic!("the first request was not stored")
    };
    let before = records(&world).await;
    let later = Submission { at: first.at.plus_ms(30_000), ..first.clone() };
    assert_eq!(ok(world.submit(later).await), Receipt::Repeated(given));
    let other = Submission { idempotency: claim("k", 2), ..submission(&acme, 5..8) };
    assert_eq!(ok(world.submit(other.clone()).await), Receipt::Conflict);
    assert_eq!(records(&world).await, before);
    let apart = Submission { idempotency: claim("l", 2), ..other };
    assert!(matches!(ok(world.submit(apart).await), Receipt::Stored(_)));
}

/// Events are known by (organisation, id).
pub async fn one_tenant_does_not_use_up_the_ids_of_another<W: Intake + Forming + StreamSource>(
    world: W,
) {
    for name in ["acme", "acme-eu", "globex"] {
        let stored = statuses(ok(world.submit(submission(&org(name), 0..2)).await));
        assert_eq!(stored, [(EventStatus::Accepted, None); 2], "{name}");
    }
    for name in ["acme", "acme-eu", "globex"] {
        assert_eq!(ok(world.staged(&org(name), now(), 10).await).len(), 1);
    }
}

/// "Stages events, each once by (organisation, id): a repeat answers `Known`."
pub async fn staging_twice_is_staging_once<W: Staging + Forming + StreamSource>(world: W) {
    let acme = org("acme");
    assert_eq!(ok(world.stage(&[]).await), []);
    let all = rows(&acme, 0..4);
    let (first, again) = (all.iter().take(3), all.iter().skip(1));
    let first = ok(world.stage(&first.cloned().collect::<Vec<_>>()).await);
    assert_eq!(first, [Staged::New; 3]);
    let again = ok(world.stage(&again.cloned().collect::<Vec<_>>()).await);
    assert_eq!(again, [Staged::Known, Staged::Known, Staged::New]);
    assert_eq!(ids(&ok(world.staged(&acme, now(), 10).await)), ids(&all));
    assert_eq!(changes(&world).await.len(), 4);
}

/// "Its id is known with another body: the first won, this one travels on to quarantine."
pub async fn staging_another_body_is_a_collision_that_travels_on<
    W: Staging + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let first = rows(&acme, 0..1);
    ok(world.stage(&first).await);
    let other = row(&event(&acme, 0, Kind::Friction, now().plus_ms(-9_000)));
    assert_eq!(ok(world.stage(&[other]).await), [Staged::Collision]);
    assert_eq!(ok(world.staged(&acme, now(), 10).await), first);
    assert_eq!(records(&world).await.len(), 2);
}

/// Rows, and their change records, say what was staged.
pub async fn a_staged_row_is_read_as_it_was_staged_and_told_to_the_stream<
    W: Staging + Forming + StreamSource,
>(
    world: W,
) {
    let acme = org("acme");
    let at = now().plus_ms(-60_000);
    let mut rows = rows(&acme, 0..5);
    rows.push(row(&event(&acme, 7, Kind::Private, at)));
    ok(world.stage(&rows).await);
    let mut told = changes(&world).await;
    for row in &rows {
        let place = told.iter().position(|told| *told == Told::Inserted(row.clone()));
        assert!(place.is_some(), "the stream does not tell of a row, or tells it otherwise");
        told.remove(place.unwrap_or(0));
    }
    assert!(told.is_empty());
    assert_eq!(ok(world.staged(&acme, now(), 10).await), rows);
}

/// "Organisations that may have something staged, batched or due, in no particular order."
pub async fn whoever_has_work_is_listed_once<W: Staging>(world: W) {
    for name in ["globex", "acme"] {
        ok(world.stage(&rows(&org(name), 0..3)).await);
    }
    let mut found = ok(world.organisations().await);
    found.sort();
    assert_eq!(found, [org("acme"), org("globex")]);
}
