//! From staging to the connector.

use contract::{Code, Timestamp, change, limits::RESCUES_MAX, staged::StagedEvent};
use domain::breaker::Breaker;
use ports::{
    accounts::Accounts,
    bus::AnnouncementKind,
    delivery::{
        FormOutcome, Forming, Lease, Leases, Outbox, ParkedEvent, Parking, SettleOutcome,
        Settlement,
    },
    intake::Put,
    staging::Staging,
};

use crate::world::{World, acme, batch, event};

async fn stage(world: &World, ids: &[&str]) {
    world.submit(ids.iter().map(|id| Put::Stage(world.friction(id))).collect()).await;
}

async fn form(world: &World, lease: &Lease, seq: &str, ids: &[&str]) -> FormOutcome {
    world.store.form(lease, Some(batch(seq, ids)), &[], world.now()).await.unwrap()
}

async fn settle(world: &World, lease: &Lease, seq: &str, settlement: Settlement) -> SettleOutcome {
    world.store.settle(lease, seq, settlement, world.now()).await.unwrap()
}

async fn state(world: &World, id: &str) -> String {
    let found = world.store.whereabouts(&event(id), Some(&acme())).await.unwrap();
    found[0].state.clone()
}

fn delivered() -> Settlement {
    Settlement::Delivered { confirmed: true, enrichment: Vec::new() }
}

fn parked(id: &str) -> ParkedEvent {
    ParkedEvent {
        event_id: event(id),
        reason: Code::ConnectorRejected,
        detail: "no".to_owned(),
        body: b"{}".to_vec(),
    }
}

#[tokio::test]
async fn one_holds_the_lease_until_it_ends_and_the_next_ones_fence_is_higher() {
    let world = World::new();
    let first = world.lease().await;
    assert_eq!((first.fence, first.next_seq, first.breaker), (1, 1, Breaker::default()));
    let now = world.now();
    assert_eq!(world.store.acquire(&acme(), now, now.plus_ms(1)).await.unwrap(), None);
    assert!(world.store.renew(&first, now.plus_ms(100_000)).await.unwrap());
    world.clock.forward(100_000);
    let second = world.lease().await;
    assert_eq!(second.fence, 2);
    assert!(!world.store.renew(&first, world.now().plus_ms(1)).await.unwrap());
    let breaker = Breaker { failures: 3, open_until: Some(Timestamp::from_ms(9)) };
    world.store.release(&first, breaker).await.unwrap();
    assert_eq!(world.store.acquire(&acme(), world.now(), world.now()).await.unwrap(), None);
    world.store.release(&second, breaker).await.unwrap();
    assert!(!world.store.renew(&second, world.now()).await.unwrap(), "given back is lost");
    assert_eq!(world.lease().await.breaker, breaker);
}

#[tokio::test]
async fn forming_moves_rows_into_a_batch_and_tells_the_stream() {
    let world = World::new();
    stage(&world, &["f.1", "f.2", "f.3"]).await;
    let staged = world.store.staged(&acme(), world.now().plus_ms(1), 2).await.unwrap();
    assert_eq!(staged.iter().map(|row| row.event_id.as_str()).collect::<Vec<_>>(), ["f.1", "f.2"]);
    assert!(world.store.staged(&acme(), world.now(), 9).await.unwrap().is_empty(), "not settled");
    let lease = world.lease().await;
    assert_eq!(form(&world, &lease, "000000000001", &["f.1", "f.2"]).await, FormOutcome::Formed);
    let removals = world.records().await.into_iter().filter(|text| text.contains("REMOVE"));
    let records: Vec<_> = removals.collect();
    assert_eq!(records.len(), 2);
    let record: change::ChangeRecord<'_> = serde_json::from_str(&records[0]).unwrap();
    assert!(!record.is_ttl_removal());
    assert_eq!(change::row(record.dynamodb.old_image.as_ref().unwrap()), Some(staged[0].clone()));
    let books = world.books().await;
    assert_eq!((books.formed, books.pending, books.accepted_forward), (2, 3, 3));
    assert_eq!(state(&world, "f.1").await, "batched");
    assert_eq!(state(&world, "f.3").await, "pending");
}

#[tokio::test]
async fn a_stale_or_fenced_form_writes_nothing_and_says_why() {
    let world = World::new();
    stage(&world, &["f.1", "f.2"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1"]).await;
    assert_eq!(form(&world, &lease, "000000000001", &["f.2"]).await, FormOutcome::Fenced);
    let lease = Lease { next_seq: 2, ..lease };
    let gone = vec![event("f.1"), event("f.9")];
    let stale = FormOutcome::Stale { gone, forwarded: Vec::new() };
    assert_eq!(form(&world, &lease, "000000000002", &["f.1", "f.2", "f.9"]).await, stale);
    world.clock.forward(90_000);
    let next = world.lease().await;
    assert_eq!((next.next_seq, next.fence), (2, 2));
    assert_eq!(form(&world, &lease, "000000000002", &["f.2"]).await, FormOutcome::Fenced);
    assert_eq!(form(&world, &next, "000000000002", &["f.2"]).await, FormOutcome::Formed);
    assert_eq!(world.books().await.formed, 2);
}

#[tokio::test]
async fn a_row_that_is_dropped_ends_as_counted() {
    let world = World::new();
    stage(&world, &["f.1"]).await;
    let lease = world.lease().await;
    let dropped = [event("f.1"), event("f.9")];
    let outcome = world.store.form(&lease, None, &dropped, world.now()).await.unwrap();
    assert_eq!(outcome, FormOutcome::Formed);
    world.finish_stream().await;
    let books = world.books().await;
    assert!(books.balanced, "{books:?}");
    assert_eq!((books.accepted, books.accepted_forward, books.counted), (1, 0, 1));
    assert_eq!(world.store.staged(&acme(), world.now().plus_ms(1), 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_batch_is_retried_then_split_then_delivered_and_parked_in_part() {
    let world = World::new();
    stage(&world, &["f.1", "f.2", "f.3", "f.4"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1", "f.2", "f.3", "f.4"]).await;
    let at = world.now().plus_ms(30_000);
    let retry = |counts| Settlement::Retry { at, counts, error: "503".to_owned() };
    settle(&world, &lease, "000000000001", retry(false)).await;
    settle(&world, &lease, "000000000001", retry(true)).await;
    let head = world.store.head(&acme()).await.unwrap().unwrap();
    assert_eq!((head.attempts, head.next_attempt_at), (1, at));
    assert_eq!(head.failing_since, Some(world.now()));
    let halves =
        vec![batch("000000000001.0", &["f.1", "f.2"]), batch("000000000001.1", &["f.3", "f.4"])];
    settle(&world, &lease, "000000000001", Settlement::Split(halves)).await;
    let head = world.store.head(&acme()).await.unwrap().unwrap();
    assert_eq!((head.batch.clone(), head.attempts), (batch("000000000001.0", &["f.1", "f.2"]), 0));
    let partial = Settlement::Partial {
        delivered: Vec::new(),
        parked: vec![parked("f.1")],
        remainder: Some(batch("000000000001.0.r1", &["f.2"])),
        enrichment: Vec::new(),
    };
    settle(&world, &lease, "000000000001.0", partial).await;
    let enrichment = vec![(event("f.2"), r#"{"patternId":"p"}"#.to_owned())];
    let confirmed = Settlement::Delivered { confirmed: true, enrichment };
    settle(&world, &lease, "000000000001.0.r1", confirmed).await;
    let unconfirmed = Settlement::Delivered { confirmed: false, enrichment: Vec::new() };
    settle(&world, &lease, "000000000001.1", unconfirmed).await;
    assert_eq!(settle(&world, &lease, "000000000001.1", delivered()).await, SettleOutcome::Gone);
    world.finish_stream().await;
    let books = world.books().await;
    assert!(books.balanced, "{books:?}");
    assert_eq!((books.delivered, books.unconfirmed, books.parked, books.pending), (3, 2, 1, 0));
    assert_eq!(state(&world, "f.1").await, "parked");
    assert_eq!(state(&world, "f.2").await, "delivered");
    assert!(world.store.organisations().await.unwrap().is_empty());
    let kinds: Vec<_> =
        world.store.announcements(0, 9).await.unwrap().into_iter().map(|(_, a)| a.kind).collect();
    use AnnouncementKind::{BatchDelivered, BatchParked};
    assert_eq!(kinds, [BatchParked, BatchDelivered, BatchDelivered]);
}

#[tokio::test]
async fn a_settlement_that_would_lose_or_double_an_event_is_refused() {
    let world = World::new();
    stage(&world, &["f.1", "f.2"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1", "f.2"]).await;
    for parts in [
        vec![batch("000000000001.0", &["f.1"])],
        vec![batch("000000000001.0", &["f.1", "f.2"]), batch("000000000001.1", &["f.2"])],
        vec![batch("000000000001.0", &["f.1", "f.2", "f.3"])],
    ] {
        let split = Settlement::Split(parts);
        let answer = world.store.settle(&lease, "000000000001", split, world.now()).await;
        assert!(!answer.unwrap_err().transient);
    }
    assert_eq!(world.books().await.pending, 2);
}

#[tokio::test]
async fn only_what_stays_true_is_settled_after_the_lease_was_lost() {
    let world = World::new();
    stage(&world, &["f.1"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1"]).await;
    world.clock.forward(90_000);
    world.lease().await;
    let retry = Settlement::Retry { at: world.now(), counts: true, error: String::new() };
    assert_eq!(settle(&world, &lease, "000000000001", retry).await, SettleOutcome::Fenced);
    assert_eq!(settle(&world, &lease, "000000000001", delivered()).await, SettleOutcome::Settled);
}

#[tokio::test]
async fn a_parked_event_goes_back_into_a_batch_once() {
    let world = World::new();
    stage(&world, &["f.1"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1"]).await;
    let partial = Settlement::Partial {
        delivered: Vec::new(),
        parked: vec![parked("f.1")],
        remainder: None,
        enrichment: Vec::new(),
    };
    settle(&world, &lease, "000000000001", partial).await;
    let found = world.store.parked(&acme(), world.now(), world.now().plus_ms(1)).await.unwrap();
    assert_eq!(found, [parked("f.1")]);
    let lease = Lease { next_seq: 2, ..lease };
    let again = || world.store.unpark(&lease, batch("000000000002", &["f.1"]), world.now());
    assert_eq!(again().await.unwrap(), FormOutcome::Formed);
    let lease = Lease { next_seq: 3, ..lease };
    let again = world.store.unpark(&lease, batch("000000000003", &["f.1"]), world.now()).await;
    let stale = FormOutcome::Stale { gone: vec![event("f.1")], forwarded: Vec::new() };
    assert_eq!(again.unwrap(), stale);
    let books = world.books().await;
    assert_eq!((books.parked, books.pending, books.formed), (0, 1, 1));
    settle(&world, &lease, "000000000002", delivered()).await;
    assert_eq!(state(&world, "f.1").await, "delivered");
}

#[tokio::test]
async fn an_expired_row_is_pending_until_it_is_rescued_and_parked_after_the_last_rescue() {
    let world = World::new();
    stage(&world, &["f.1"]).await;
    assert_eq!(world.store.expire(world.now()).await.unwrap(), 0);
    for rescues in 1..=RESCUES_MAX + 1 {
        world.clock.forward(contract::limits::STAGING_TTL_MS);
        assert_eq!(world.store.expire(world.now()).await.unwrap(), 1);
        assert_eq!(world.books().await.pending, 1);
        let row = removed_by_ttl(&world).await;
        let expires_at = world.now().plus_ms(contract::limits::STAGING_TTL_MS);
        let rescued = StagedEvent { rescues, expires_at, ..row };
        world.store.rescue(std::slice::from_ref(&rescued)).await.unwrap();
        world.store.rescue(&[rescued]).await.unwrap();
    }
    let books = world.books().await;
    assert_eq!((books.accepted_forward, books.pending, books.parked), (1, 0, 1));
    assert_eq!(state(&world, "f.1").await, "parked");
    let parked = world.store.parked(&acme(), Timestamp::from_ms(0), world.now().plus_ms(1)).await;
    assert_eq!(parked.unwrap()[0].reason, Code::RescuesExhausted);
}

async fn removed_by_ttl(world: &World) -> StagedEvent {
    let records = world.records().await;
    let removal = |text: &String| {
        let record: change::ChangeRecord<'_> = serde_json::from_str(text).unwrap();
        record.is_ttl_removal().then(|| change::row(record.dynamodb.old_image.as_ref().unwrap()))?
    };
    records.iter().rev().find_map(removal).unwrap()
}

#[tokio::test]
async fn a_batched_event_is_not_rescued() {
    let world = World::new();
    stage(&world, &["f.1"]).await;
    let lease = world.lease().await;
    form(&world, &lease, "000000000001", &["f.1"]).await;
    world.store.rescue(&[world.friction("f.1")]).await.unwrap();
    assert_eq!(world.books().await.pending, 1);
    assert!(world.store.staged(&acme(), world.now().plus_ms(1), 9).await.unwrap().is_empty());
}
