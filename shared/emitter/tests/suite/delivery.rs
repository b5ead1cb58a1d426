//! In which order and under which ids events reach staging.

use std::time::Duration;

use crate::common::{assert_conserved, draft, event, host, host_with, settings};
use contract::limits::{HOUR_MS, STAGING_TTL_MS};
use domain::{
    admit,
    intake::{self, Outcome},
    seal::SealKey,
};
use emitter::{
    Code, DryRun, EmitError, Emitter, EventId, HeldBack, KeyError, KeySource, Machine, Mock, OrgId,
    ProductId, Pseudonymiser, Timestamp, TransportError, backend, task, transport::Behaviour,
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_flush_sends_the_oldest_first_in_batches_of_25() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let ids: Vec<_> = (0..60).map(|_| emitter.emit_later(draft())).collect();
    let report = emitter.flush(LONG).await;
    assert_eq!((report.sent, report.still_held), (60, 0));
    assert_eq!(mock.calls(), [25, 25, 10]);
    let stored: Vec<_> = mock.rows().into_iter().map(|row| row.event_id).collect();
    assert_eq!(stored, ids);
}

#[tokio::test(start_paused = true)]
async fn emit_takes_waiting_events_along_ahead_of_its_own() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let first = emitter.emit_later(draft());
    let second = emitter.try_emit(draft()).await.unwrap();
    let stored: Vec<_> = mock.rows().into_iter().map(|row| row.event_id).collect();
    assert_eq!((stored, mock.calls()), (vec![first, second], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_retry_offers_the_same_bytes_under_the_same_id() {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    mock.next([Behaviour::StoreThenFail]);
    let held = emitter.try_emit(draft()).await.unwrap_err();
    let before = mock.rows();
    world.advance_ms(5_000);
    let report = emitter.flush(LONG).await;
    assert_eq!((report.sent, report.duplicates, report.still_held), (0, 1, 0));
    assert_eq!(mock.rows(), before);
    assert_eq!(before[0].event_id, *held.event_id());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_not_taken_is_offered_again_and_order_is_kept() {
    let mock = Mock::new();
    mock.next([
        Behaviour::StoreFirst(3),
        Behaviour::StoreFirst(0),
        Behaviour::Fail(TransportError::Throttled),
    ]);
    let (emitter, _) = host(mock.clone()).await;
    let ids: Vec<_> = (0..10).map(|_| emitter.emit_later(draft())).collect();
    assert_eq!(emitter.flush(LONG).await.sent, 10);
    assert_eq!(mock.calls(), [10, 7, 7, 7]);
    let stored: Vec<_> = mock.rows().into_iter().map(|row| row.event_id).collect();
    assert_eq!(stored, ids);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_refuses_the_host_is_not_asked_twice_in_a_flush() {
    let mock = Mock::that(Behaviour::Fail(TransportError::Denied { why: "credentials" }));
    let (emitter, _) = host(mock.clone()).await;
    emitter.emit_later(draft());
    assert_eq!(emitter.flush(LONG).await.still_held, 1);
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_staging_refuses_is_lost_under_its_code() {
    let (emitter, _) = host(Mock::that(Behaviour::Refuse(Code::IdCollision))).await;
    let error = emitter.try_emit(draft()).await.unwrap_err();
    assert!(matches!(error, EmitError::Refused { code: Code::IdCollision, .. }));
    emitter.emit_later(draft());
    assert_eq!(emitter.flush(LONG).await.rejected, 1);
    assert_eq!(emitter.stats().rejected[&Code::IdCollision], 2);
    assert_conserved(&emitter.stats());
}

#[tokio::test(start_paused = true)]
async fn one_idempotency_key_is_one_event() {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    let at = Timestamp::from_ms(crate::common::NOW_MS - 1_000);
    let with = |key: &str| draft().idempotency_key(key, at);
    let first = emitter.emit(with("order 4711 approved")).await;
    world.advance_ms(60_000);
    let again = emitter.emit(with("order 4711 approved")).await;
    let other = emitter.emit(with("order 4712 approved")).await;
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!((mock.rows().len(), emitter.stats().duplicates), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_the_hosts_else_a_uuid_of_now() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let given = EventId::parse("018BCFE5-6800-4ABC-8DEF-0123456789AB").unwrap();
    let id = emitter.emit(draft().event_id(given.clone())).await;
    assert_eq!(id, given.canonical());
    let id = emitter.emit(draft()).await;
    assert_eq!(id.uuid_v7_ms(), Some(crate::common::NOW_MS));
}

#[tokio::test(start_paused = true)]
async fn a_row_says_what_staging_needs_to_know() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let at = Timestamp::from_ms(crate::common::NOW_MS - 7_000);
    let id = emitter.emit(draft().occurred_at(at).product(ProductId::parse("web").unwrap())).await;
    let row = mock.rows().remove(0);
    let event = event(&row);
    let now = Timestamp::from_ms(crate::common::NOW_MS);
    assert_eq!(
        (row.event_id.clone(), row.org_id.as_str(), row.product_id.as_str()),
        (id, "acme", "web")
    );
    assert_eq!((row.occurred_at, row.staged_at), (at, now));
    assert_eq!((row.expires_at.since_ms(now), row.rescues), (STAGING_TTL_MS, 0));
    assert_eq!((event.occurred_at, event.recorded_at), (at, Some(now)));
    assert_eq!(event.ck, Some(admit::ck_text(row.ck)));
    assert_eq!(admit::ck(&event), row.ck);
    let source = event.source.unwrap();
    assert_eq!((source.service.as_str(), source.version.as_deref()), ("checkout", Some("1.4.0")));
    assert_eq!(source.region.as_deref(), Some("eu-central-1"));
}

#[tokio::test(start_paused = true)]
async fn the_http_door_takes_a_row_for_the_event_it_is() {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    let at = Timestamp::from_ms(crate::common::NOW_MS + HOUR_MS);
    let ahead = draft().idempotency_key("order 4711", at).ai_confidence(1.0);
    emitter.emit(draft().screen("/orders/4711").correlation_id("jan@example.org")).await;
    emitter.emit(task::started("checkout").task_id("run 12").actor("jan@example.org")).await;
    emitter.emit(ahead).await;
    world.advance_ms(2_000);
    let org = OrgId::parse("acme").unwrap();
    let pseudonymiser = crate::common::key().pseudonymiser(&org).await.unwrap();
    let door = intake::Door {
        now: emitter::Surroundings::now(&world),
        orgs: std::slice::from_ref(&org),
        pseudonymisers: &[(org.clone(), pseudonymiser.into())].into(),
        seal_key: &SealKey::from_bytes([1; 32]),
        entropy: &|| [0; 16],
    };
    let (clamped, rows) =
        mock.rows().into_iter().partition::<Vec<_>, _>(|row| event(row).time_adjusted);
    for row in rows {
        let Outcome::Ready(ready) = intake::read_event(&row.body, &door) else { panic!("{row:?}") };
        assert_eq!((ready.event.event_id.clone(), ready.ck), (row.event_id.clone(), row.ck));
    }
    // What is clamped has the checksum of what was sent: a resend by its host is the same event.
    assert_eq!(clamped.len(), 1);
    let unclamped = contract::Event { occurred_at: at, ..event(&clamped[0]) };
    assert_eq!(admit::ck(&unclamped), clamped[0].ck);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_waited_half_its_life_is_staged_anew() {
    let mock = Mock::new();
    let (emitter, world) = host(mock.clone()).await;
    emitter.emit_later(draft());
    world.advance_ms(13 * HOUR_MS);
    emitter.emit_later(draft());
    emitter.flush(LONG).await;
    let now = Timestamp::from_ms(crate::common::NOW_MS + 13 * HOUR_MS);
    for row in mock.rows() {
        assert_eq!((row.staged_at, row.expires_at.since_ms(now)), (now, STAGING_TTL_MS));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_ahead_of_its_clock_is_pulled_back_and_one_of_last_month_is_refused() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    let at = |ms| draft().occurred_at(Timestamp::from_ms(crate::common::NOW_MS + ms));
    emitter.emit(at(HOUR_MS)).await;
    assert!(event(&mock.rows()[0]).time_adjusted);
    let error = emitter.try_emit(at(-31 * 24 * HOUR_MS)).await.unwrap_err();
    assert!(matches!(error, EmitError::Refused { code: Code::Late, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_sends_nothing_and_counts_everything() {
    let (emitter, _) = host(DryRun).await;
    emitter.emit(draft()).await;
    emitter.emit(draft().severity(9)).await;
    assert_eq!((emitter.stats().sent, emitter.stats().rejected_total()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn events_of_every_family_go_to_staging() {
    let mock = Mock::new();
    let (emitter, _) = host(mock.clone()).await;
    emitter.emit(backend::timeout("search")).await;
    assert_eq!(mock.rows().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_transport_rests_try_emit_says_so() {
    let (emitter, _) = host(Mock::that(Behaviour::StoreFirst(0))).await;
    let why = async || match emitter.try_emit(draft()).await {
        Err(EmitError::Held { why, .. }) => Some(why),
        Ok(_) | Err(EmitError::Refused { .. } | EmitError::Dropped { .. }) => None,
    };
    assert_eq!(why().await, Some(HeldBack::Unprocessed));
    assert_eq!(why().await, Some(HeldBack::Resting));
}

struct NoKey;

impl KeySource for NoKey {
    async fn pseudonymiser(&self, _: &OrgId) -> Result<Pseudonymiser, KeyError> {
        Err(KeyError::UnknownOrg)
    }
}

struct KeyOfAnother;

impl KeySource for KeyOfAnother {
    async fn pseudonymiser(&self, _: &OrgId) -> Result<Pseudonymiser, KeyError> {
        crate::common::key().pseudonymiser(&OrgId::parse("other").unwrap()).await
    }
}

#[tokio::test]
async fn without_the_organisations_key_nothing_starts() {
    let error = Emitter::connect(settings(), NoKey, Mock::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "no pseudonymisation key: there is no key of this organisation");
    let error = Emitter::connect(settings(), KeyOfAnother, Mock::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the key source answered for another organisation");
}

#[tokio::test]
async fn a_host_whose_events_would_all_be_refused_does_not_start() {
    let mut nameless = settings();
    nameless.service = "x".repeat(65);
    let error = Emitter::connect(nameless, crate::common::key(), Mock::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "no event would be admitted: too_long at /source/service");
    let mut greedy = settings();
    greedy.batch_size = 26;
    let error = Emitter::connect(greedy, crate::common::key(), Mock::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "unusable settings: batch_size must be 1 to 25");
}

#[tokio::test]
async fn the_machines_clock_and_randomness_are_the_usual_ones() {
    let emitter = Emitter::<_, Machine>::connect(settings(), crate::common::key(), Mock::new())
        .await
        .unwrap();
    let ids = [emitter.emit(draft()).await, emitter.emit(draft()).await];
    assert!(ids.iter().all(|id| id.uuid_v7_ms().is_some()));
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_batch_is_respected() {
    let mut small = settings();
    small.batch_size = 1;
    let mock = Mock::new();
    let (emitter, _) = host_with(small, mock.clone()).await;
    emitter.emit_later(draft());
    emitter.emit(draft()).await;
    emitter.flush(LONG).await;
    assert_eq!(mock.calls(), [1, 1]);
}
