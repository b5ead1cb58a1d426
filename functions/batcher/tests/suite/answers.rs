//! What the connector may answer.

use std::collections::BTreeSet;

use batcher::report::Work;
use connector::mock::{Death, Quirks};
use contract::Timestamp;
use domain::delivery::{DeliveryAnswer, DeliveryFailure};
use ports::{
    clock::Clock,
    delivery::{Outbox, Parking},
};

use crate::{
    rig::{HOUR, MINUTE, Rig, TICK, named, summary},
    world::{Watched, header, http},
};

fn org(name: &str) -> contract::OrgId {
    contract::OrgId::parse(name).unwrap()
}

#[tokio::test]
async fn a_retry_after_is_waited_for_whatever_its_spelling() {
    let at = |clock: Timestamp| {
        // 2025-10-09 is a Thursday, and so far ahead of the rig's start.
        let text = clock.to_string();
        format!("Thu, {} Oct 2025 {} GMT", &text[8..10], &text[11..19])
    };
    for spelling in ["seconds", "date"] {
        let rig = Rig::new(Quirks::default());
        rig.emit("acme", 1).await;
        rig.clock.forward(MINUTE);
        let header = match spelling {
            "seconds" => "120".to_owned(),
            _ => at(rig.clock.now().plus_ms(120_000)),
        };
        let watched = Watched::new(rig.endpoint()).answering([http(429, Some(&header))]);
        let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
        assert_eq!(batcher.tick(None).await.unwrap().work.retries, 1);
        rig.clock.forward(119_000);
        batcher.tick(None).await.unwrap();
        assert_eq!(watched.sent().len(), 1, "no call before its time ({header})");
        rig.clock.forward(1_000);
        assert_eq!(batcher.tick(None).await.unwrap().work.events_delivered, 1, "{header}");
    }
}

#[tokio::test]
async fn a_retry_after_of_years_is_an_hour() {
    let rig = Rig::new(Quirks::default());
    rig.emit("acme", 1).await;
    let watched = Watched::new(rig.endpoint()).answering([http(503, Some("99999999"))]);
    let batcher = rig.batcher_of(rig.store.clone(), watched);
    rig.tick(&batcher).await;
    rig.clock.forward(HOUR - TICK - 1);
    assert_eq!(rig.tick(&batcher).await.work.posts, 0);
    rig.clock.forward(1 - TICK);
    assert_eq!(rig.tick(&batcher).await.work.events_delivered, 1);
}

#[tokio::test]
async fn a_redirect_moves_nothing() {
    let rig = Rig::new(Quirks::default());
    rig.emit("acme", 1).await;
    let answers = [301, 302, 307, 308].map(|status| http(status, Some("1")));
    let watched = Watched::new(rig.endpoint()).answering(answers);
    let batcher = rig.batcher_of(rig.store.clone(), watched);
    for _ in 0..4 {
        assert_eq!(rig.tick(&batcher).await.work.retries, 1);
    }
    assert_eq!(rig.tick(&batcher).await.work.events_delivered, 1);
}

#[tokio::test]
async fn a_refused_batch_is_narrowed_down_to_the_one_event_that_is_at_fault() {
    for status in [400, 413, 422] {
        let rig = Rig::new(Quirks::default());
        let ids = rig.emit("acme", 96).await;
        let bad = named("acme", &ids[41..42]);
        rig.receiver.change(|mock| mock.quirks.refuse_batch_with = bad.iter().cloned().collect());
        let watched = Watched::new(rig.endpoint()).answering([http(status, None)]);
        let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
        let report = rig.tick(&batcher).await;
        assert_eq!((report.work.events_delivered, report.work.events_parked), (95, 1));
        assert!(report.work.batches_split <= 7, "{}", report.work.batches_split);
        assert_eq!(rig.balance("acme").await, (95, 1, 0));
        let mut expected = named("acme", &ids);
        expected.retain(|id| !bad.contains(id));
        assert_eq!(rig.arrived("acme"), expected, "in the order of the events");
        assert_eq!(rig.books().violations, []);
        let everything = (Timestamp::from_ms(0), rig.clock.now().plus_ms(1));
        let parked = rig.store.parked(&org("acme"), everything.0, everything.1).await.unwrap();
        assert_eq!(parked[0].reason, contract::Code::ConnectorRejected);
        assert_eq!(parked[0].event_id, ids[41]);
    }
}

#[tokio::test]
async fn a_connector_that_refuses_everything_is_suspected_before_everything_is_parked() {
    let rig = Rig::new(Quirks::default());
    let ids = rig.emit("acme", 300).await;
    let all = named("acme", &ids).into_iter().collect();
    rig.receiver.change(|mock| mock.quirks.refuse_batch_with = all);
    let batcher = rig.batcher();
    for _ in 0..12 {
        rig.tick(&batcher).await;
    }
    let (_, parked, pending) = rig.balance("acme").await;
    assert!((20..=24).contains(&parked) && parked + pending == 300, "{parked} within an hour");
    rig.receiver.change(|mock| mock.quirks.refuse_batch_with.clear());
    rig.clock.forward(HOUR);
    rig.tick(&batcher).await;
    assert_eq!(rig.balance("acme").await, (300 - parked, parked, 0));
}

#[tokio::test]
async fn many_bad_events_in_a_row_park_at_once_while_others_pass() {
    let rig = Rig::new(Quirks::default());
    let ids = rig.emit("acme", 60).await;
    let all = named("acme", &ids).into_iter().collect();
    rig.receiver.change(|mock| mock.quirks.refuse_batch_with = all);
    let batcher = rig.batcher();
    for _ in 0..2 {
        rig.emit("other", 1).await;
        batcher.urgent(&org("other")).await.unwrap();
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await, (0, 60, 0));
}

#[tokio::test]
async fn events_that_the_connector_rejects_park_and_the_rest_is_delivered() {
    let quirks = Quirks { reject_share: 0.2, seed: 3, ..Quirks::default() };
    let rig = Rig::new(quirks);
    rig.emit("acme", 200).await;
    let report = rig.tick(&rig.batcher()).await;
    let rejected = rig.books().org("acme").rejected.len();
    assert!((20..60).contains(&rejected), "{rejected}");
    let (delivered, parked, pending) = rig.balance("acme").await;
    assert_eq!((delivered + parked, pending), (200, 0));
    assert_eq!(usize::try_from(parked).unwrap(), rejected);
    assert_eq!(report.work.posts, 3, "nothing is sent twice for it");
    let everything = (Timestamp::from_ms(0), rig.clock.now().plus_ms(1));
    let kept = rig.store.parked(&org("acme"), everything.0, everything.1).await.unwrap();
    assert_eq!(kept[0].detail, "invalid_event: the taxonomy is not known here");
}

#[tokio::test]
async fn events_that_the_connector_defers_come_again_under_a_new_key() {
    let rig = Rig::new(Quirks { defer_share: 0.3, seed: 5, ..Quirks::default() });
    let ids = rig.emit("acme", 96).await;
    let watched = Watched::new(rig.endpoint());
    let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
    let first = rig.tick(&batcher).await;
    assert!(first.work.events_delivered > 40 && first.work.posts == 1, "{:?}", first.work);
    rig.tick(&batcher).await;
    assert_eq!(rig.balance("acme").await, (96, 0, 0));
    let keys: Vec<String> =
        watched.sent().iter().map(|request| header(request, "Idempotency-Key")).collect();
    assert_ne!(keys[0], keys[1]);
    let seqs: Vec<String> =
        watched.sent().iter().map(|request| header(request, "X-Batch-Seq")).collect();
    assert_eq!(seqs, ["000000000001", "000000000001.r1"]);
    assert_eq!(rig.books().violations, []);
    assert_eq!(rig.arrived("acme").len(), ids.len());
}

#[tokio::test]
async fn a_batch_that_was_taken_without_the_answer_arriving_is_sent_again_as_it_was() {
    let rig = Rig::new(Quirks { lose_2xx_every: 2, ..Quirks::default() });
    let ids = rig.emit("acme", 96 * 4).await;
    let watched = Watched::new(rig.endpoint());
    let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
    for _ in 0..4 {
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.arrived("acme"), named("acme", &ids));
    let books = rig.books();
    assert_eq!((books.violations, books.repeated), (vec![], 2));
    let sent = watched.sent();
    let lost: Vec<usize> = (1..sent.len())
        .filter(|at| header(&sent[*at], "X-Batch-Seq") == header(&sent[at - 1], "X-Batch-Seq"))
        .collect();
    assert_eq!(lost.len(), 2);
    for at in lost {
        assert_eq!(sent[at].body, sent[at - 1].body, "identical bytes");
        let key = |at: usize| header(&sent[at], "Idempotency-Key");
        assert_eq!(key(at), key(at - 1));
        let signature = |at: usize| header(&sent[at], "webhook-signature");
        assert_ne!(signature(at), signature(at - 1), "signed anew");
    }
}

#[tokio::test]
async fn an_organisation_that_is_refused_waits_without_using_up_attempts() {
    for status in [401, 403, 404, 410] {
        let rig = Rig::new(Quirks::default());
        rig.emit("acme", 2).await;
        let answers = std::iter::repeat_with(|| http(status, None)).take(20);
        let watched = Watched::new(rig.endpoint()).answering(answers);
        let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
        let report = rig.tick(&batcher).await;
        assert_eq!((report.work.refusals, report.work.retries), (1, 0), "{status}");
        let head = rig.store.head(&org("acme")).await.unwrap().unwrap();
        assert_eq!((head.attempts, head.failing_since), (0, None));
        rig.tick(&batcher).await;
        rig.tick(&batcher).await;
        let expected = if status == 401 { 2 } else { 1 };
        assert_eq!(watched.sent().len(), expected, "left alone for a quarter of an hour");
        rig.tick(&batcher).await;
        assert!(watched.sent().len() > expected, "then tried again");
        assert_eq!(rig.balance("acme").await, (0, 0, 2), "the data is kept");
        watched.answers.lock().unwrap().clear();
        rig.clock.forward(HOUR);
        assert_eq!(rig.tick(&batcher).await.work.events_delivered, 2);
    }
}

#[tokio::test]
async fn a_batch_that_crashes_the_connector_is_suspected_after_hours_while_others_pass() {
    let rig = Rig::new(Quirks::default());
    let ids = rig.emit("acme", 8).await;
    let crash = named("acme", &ids[5..6]);
    rig.receiver.change(|mock| mock.quirks.crash_on = crash.iter().cloned().collect());
    let batcher = rig.batcher();
    let started = rig.clock.now();
    while rig.balance("acme").await.2 > 0 {
        rig.emit("other", 1).await;
        rig.tick(&batcher).await;
        assert!(rig.clock.now().since_ms(started) < 48 * HOUR, "it ends");
    }
    assert_eq!(rig.balance("acme").await, (7, 1, 0));
    assert!(rig.clock.now().since_ms(started) > 2 * HOUR);
    let everything = (Timestamp::from_ms(0), rig.clock.now().plus_ms(1));
    let parked = rig.store.parked(&org("acme"), everything.0, everything.1).await.unwrap();
    assert_eq!(parked[0].reason, contract::Code::ConnectorError);
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn alone_a_suspected_batch_is_judged_by_a_sign_of_life() {
    let rig = Rig::new(Quirks::default());
    let ids = rig.emit("acme", 2).await;
    let crash = named("acme", &ids[..1]);
    rig.receiver.change(|mock| mock.quirks.crash_on = crash.iter().cloned().collect());
    let batcher = rig.batcher();
    for _ in 0..600 {
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await, (1, 1, 0));
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn a_connector_that_is_down_for_everybody_parks_nothing() {
    let rig = Rig::new(Quirks { always_500: true, ..Quirks::default() });
    rig.emit("acme", 2).await;
    let batcher = rig.batcher();
    for _ in 0..600 {
        rig.emit("other", 1).await;
        rig.tick(&batcher).await;
    }
    assert_eq!((rig.balance("acme").await, rig.balance("other").await), ((0, 0, 2), (0, 0, 600)));
    rig.receiver.change(|mock| mock.quirks.always_500 = false);
    for _ in 0..15 {
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await, (2, 0, 0));
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_connector_goes_in_pieces() {
    let rig = Rig::new(Quirks { max_batch_events: 5, ..Quirks::default() });
    let ids = rig.emit("acme", 96).await;
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!(summary(&report.work), (96, 63, 96, 0));
    assert_eq!(rig.arrived("acme"), named("acme", &ids));
    assert_eq!(rig.books().violations, []);
}

#[tokio::test]
async fn an_answer_of_mere_counts_is_narrowed_down() {
    let quirks = Quirks { counts_only: true, reject_share: 0.1, seed: 2, ..Quirks::default() };
    let rig = Rig::new(quirks);
    rig.emit("acme", 40).await;
    let batcher = rig.batcher();
    for _ in 0..400 {
        rig.tick(&batcher).await;
    }
    let rejected = u64::try_from(rig.books().org("acme").rejected.len()).unwrap();
    assert!(rejected > 0);
    assert_eq!(rig.balance("acme").await, (40 - rejected, rejected, 0));
}

#[tokio::test]
async fn what_hangs_or_breaks_off_is_tried_again() {
    use DeliveryFailure::{Broken, Connect, Timeout, Tls};
    let rig = Rig::new(Quirks::default());
    rig.emit("acme", 3).await;
    let failures = [Timeout, Connect, Tls, Broken].map(DeliveryAnswer::Failed);
    let watched = Watched::new(rig.endpoint()).answering(failures);
    let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
    let mut total = Work::default();
    while total.events_delivered == 0 {
        let work = rig.tick(&batcher).await.work;
        total.events_delivered += work.events_delivered;
        total.retries += work.retries;
    }
    assert_eq!((total.retries, total.events_delivered), (4, 3));
    let bodies: BTreeSet<Vec<u8>> =
        watched.sent().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_dead_organisation_at_the_mock_is_dead_only_there() {
    let dead = [("acme".to_owned(), Death::Status(500))].into();
    let rig = Rig::new(Quirks { dead_orgs: dead, ..Quirks::default() });
    rig.emit("acme", 1).await;
    rig.emit("other", 1).await;
    let report = rig.tick(&rig.batcher()).await;
    assert_eq!((report.work.events_delivered, report.work.retries), (1, 1));
    assert_eq!(rig.balance("other").await, (1, 0, 0));
}

/// Collects log lines.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_holds_a_secret_a_token_or_a_word_of_the_connectors() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let rig = Rig::new(Quirks::default());
    let token = "u1.3.00000000000000000000000000";
    rig.emit_with("acme", 4, &serde_json::json!({"actorId": token})).await;
    let said = |status: u16| DeliveryAnswer::Http {
        status,
        retry_after: Some("CANARY".into()),
        body: br#"{"error":"CANARY","success":false,"errors":[{"reason":"CANARY"}]}"#.to_vec(),
    };
    let statuses = [500, 429, 302, 403, 401, 401, 400, 422, 200];
    let failures = [DeliveryFailure::Timeout, DeliveryFailure::Refused].map(DeliveryAnswer::Failed);
    let watched =
        Watched::new(rig.endpoint()).answering(statuses.map(said).into_iter().chain(failures));
    let batcher = rig.batcher_of(rig.store.clone(), watched.clone());
    for _ in 0..200 {
        rig.tick(&batcher).await;
    }
    assert_eq!(rig.balance("acme").await.2, 0);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("http 500") && log.contains("split batch"), "{log}");
    for forbidden in ["CANARY", token, "key-1", "whsec", "MfKQ9r8", "Bearer", "evt_"] {
        assert!(!log.contains(forbidden), "{forbidden}: {log}");
    }
}
