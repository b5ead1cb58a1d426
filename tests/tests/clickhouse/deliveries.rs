//! Any batching, repetition, order and loss gives the answers of one clean insert.

use contract::{Event, collision::EventStruck};
use ports::bus::{Announcement, AnnouncementKind};
use serde_json::Value;
use warehouse::Outcome;

use crate::{
    engine::{About, Engine, Weather, draw},
    people::{World, day, events, queue, stream},
};

/// A record of either source.
#[derive(Debug, Clone)]
enum Record {
    Event(Box<Event>),
    Announced(u64, Announcement),
}

/// What every query answers, in order.
async fn answers(engine: &Engine) -> Vec<(String, Vec<Value>)> {
    let folder = suite::local::workspace().join("scripts/clickhouse/queries");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    let about = About { product: "", from: day(3), to: day(0) };
    let mut told = Vec::new();
    let flow = engine.query("flows_top", about).await;
    let flow = flow.first().map_or("", |row| row["flow_id"].as_str().unwrap()).to_owned();
    for name in names {
        let rows = engine.query_with(&name, about, &[("flow", &flow)]).await;
        told.push((name, rows));
    }
    told
}

/// Shuffles by numbers drawn from `seed`.
fn shuffle<T>(list: &mut [T], seed: u64) {
    for at in (1..list.len()).rev() {
        let other = draw(seed ^ u64::try_from(at).unwrap()) % (u64::try_from(at).unwrap() + 1);
        list.swap(at, usize::try_from(other).unwrap());
    }
}

/// Hands records over in batches of 1 to 60, each until it is taken.
async fn deliver(engine: &Engine, records: &[Record], seed: u64) {
    let sink = engine.sink_over(Weather(seed));
    let mut rest = records;
    while !rest.is_empty() {
        let size =
            usize::try_from(1 + draw(seed ^ u64::try_from(rest.len()).unwrap()) % 60).unwrap();
        let (batch, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let (mut of_stream, mut of_bus) = (Vec::new(), Vec::new());
        for record in batch.iter().cloned() {
            match record {
                Record::Event(event) => of_stream.push(*event),
                Record::Announced(position, announcement) => of_bus.push((position, announcement)),
            }
        }
        for payload in [stream(&of_stream), queue(&of_bus)] {
            let mut tries = 0;
            while sink.handle(&payload).await.unwrap().outcome == Outcome::Postponed {
                tries += 1;
                assert!(tries < 40, "it never gets through");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_delivery_gives_the_answers_of_one_clean_insert() {
    let world = World::open().await;
    let done = events(24, 7);
    world.live(&done, 2).await;
    let announced = world.announced().await;
    let clean = Engine::start().await;
    clean.sink().handle(&stream(&done)).await.unwrap();
    clean.sink().handle(&queue(&announced)).await.unwrap();
    let expected = answers(&clean).await;
    let empty: Vec<_> = expected.iter().filter(|(_, rows)| rows.is_empty()).collect();
    assert!(empty.is_empty(), "{empty:?}");
    let all: Vec<Record> = done
        .into_iter()
        .map(|event| Record::Event(Box::new(event)))
        .chain(announced.into_iter().map(|(position, told)| Record::Announced(position, told)))
        .collect();
    for seed in 1..=2 {
        // Everything once, and a third of it once more, in any order.
        let again = (0..).zip(&all).filter(|(at, _)| draw(seed ^ at).is_multiple_of(3));
        let again: Vec<Record> = again.map(|(_, record)| record.clone()).collect();
        let mut records = [all.clone(), again].concat();
        shuffle(&mut records, seed);
        let engine = Engine::start().await;
        deliver(&engine, &records, seed).await;
        for ((name, rows), (_, expected)) in answers(&engine).await.iter().zip(&expected) {
            assert_eq!(rows, expected, "{name}, seed {seed}");
        }
        engine.run("OPTIMIZE TABLE fact_sessions FINAL").await;
        engine.run("OPTIMIZE TABLE events_raw FINAL").await;
        deliver(&engine, &records[..records.len() / 2], seed + 100).await;
        for ((name, rows), (_, expected)) in answers(&engine).await.iter().zip(&expected) {
            assert_eq!(rows, expected, "{name}, seed {seed}, after a merge and once more");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_struck_out_is_not_read_whichever_comes_first_and_whatever_is_merged() {
    let done = events(6, 5);
    let mut refused = done[0].clone();
    refused.screen = Some("/nowhere".to_owned());
    refused.ck = Some("0000002a".to_owned());
    let fact = EventStruck {
        org_id: refused.org_id.clone(),
        product_id: refused.product_id.clone(),
        event_id: refused.event_id.clone(),
        occurred_at: refused.occurred_at,
        ck: "0000002a".to_owned(),
    };
    let told = Announcement {
        id: "event.struck/1".to_owned(),
        kind: AnnouncementKind::EventStruck,
        org: refused.org_id.clone(),
        at: refused.occurred_at,
        detail: Some(serde_json::to_string(&fact).unwrap()),
    };
    let (of_bus, of_stream) = (queue(&[(1, told)]), stream(&[&done[..], &[refused]].concat()));
    let clean = Engine::start().await;
    clean.sink().handle(&stream(&done)).await.unwrap();
    let expected = answers(&clean).await;
    for payloads in [[&of_bus, &of_stream], [&of_stream, &of_bus]] {
        let engine = Engine::start().await;
        for payload in payloads {
            engine.sink().handle(payload).await.unwrap();
            engine.run("OPTIMIZE TABLE events_raw FINAL").await;
        }
        engine.sink().handle(&of_stream).await.unwrap();
        let rows =
            engine.run("SELECT count(), countIf(screen = '/nowhere') FROM events_raw FINAL").await;
        assert_eq!(rows.split_whitespace().collect::<Vec<_>>(), [&done.len().to_string(), "0"]);
        assert_eq!(answers(&engine).await, expected);
    }
}
