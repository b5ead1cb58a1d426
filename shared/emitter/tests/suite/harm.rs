//! Whatever happens to the transport, the host does not notice and every event has a number.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::common::{World, assert_conserved, draft, host, host_with, key, settings};
use emitter::{
    Code, EmitError, Emitter, HeldBack, Mock, RowFate, StagedEvent, Surroundings, Timestamp,
    Transport, TransportError, transport::Behaviour,
};
use proptest::prelude::*;
use tokio::time::Instant;

const DOWN: Behaviour = Behaviour::Fail(TransportError::Unavailable { why: "down" });

#[tokio::test(start_paused = true)]
async fn emit_waits_no_longer_than_its_budget_for_a_transport_that_hangs() {
    let (emitter, _) = host(Mock::that(Behaviour::Hang)).await;
    let began = Instant::now();
    let error = emitter.try_emit(draft()).await.unwrap_err();
    // Timers count whole milliseconds and round up.
    assert!(began.elapsed() <= Duration::from_millis(51), "{:?}", began.elapsed());
    assert!(matches!(error, EmitError::Held { why: HeldBack::TimedOut, .. }));
    let stats = emitter.stats();
    assert_eq!((stats.timeouts, stats.spilled, stats.held), (1, 1, 1));
    assert_conserved(&stats);
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_one_budget_and_not_one_per_event() {
    let mock = Mock::that(Behaviour::Hang);
    let (emitter, world) = host(mock.clone()).await;
    let began = Instant::now();
    for _ in 0..100 {
        emitter.emit(draft()).await;
    }
    assert!(began.elapsed() <= Duration::from_millis(51), "{:?}", began.elapsed());
    assert_eq!((mock.calls().len(), emitter.stats().held), (1, 100));

    world.advance_ms(1_000);
    mock.usually(Behaviour::Store);
    emitter.try_emit(draft()).await.unwrap();
    assert_eq!(mock.calls(), [1, 25], "after its pause it is tried again, with what waits");
    assert_conserved(&emitter.stats());
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_pause_and_the_next_failure_begins_with_a_short_one() {
    let mock = Mock::new();
    mock.next([DOWN, DOWN]);
    let (emitter, world) = host(mock.clone()).await;
    emitter.emit(draft()).await;
    world.advance_ms(1_000);
    emitter.emit(draft()).await;
    world.advance_ms(1_999);
    emitter.emit(draft()).await;
    assert_eq!(mock.calls(), [1, 2], "the second pause is twice as long");

    assert_eq!(emitter.flush(Duration::from_secs(1)).await.sent, 3, "a flush does not wait for it");
    emitter.try_emit(draft()).await.unwrap();
    mock.next([DOWN]);
    emitter.emit(draft()).await;
    world.advance_ms(1_000);
    emitter.try_emit(draft()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_budget_will_do_for_a_flush() {
    let (emitter, _) = host(Mock::new()).await;
    emitter.emit_later(draft());
    assert_eq!(emitter.flush(Duration::ZERO).await.still_held, 1);
    assert_eq!(emitter.flush(Duration::MAX).await.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn many_tasks_share_an_emitter() {
    let mock = Mock::that(Behaviour::StoreFirst(7));
    let (emitter, _) = host(mock.clone()).await;
    let emitter = std::sync::Arc::new(emitter);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let emitter = emitter.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    emitter.emit(draft()).await;
                    emitter.emit_later(draft());
                    emitter.flush(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    mock.usually(Behaviour::Store);
    emitter.flush(Duration::from_secs(60)).await;
    assert_conserved(&emitter.stats());
    assert_eq!((emitter.stats().sent, mock.rows().len()), (400, 400));
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_with_its_budget_and_loses_nothing() {
    let (emitter, _) = host(Mock::that(Behaviour::Hang)).await;
    for _ in 0..30 {
        emitter.emit_later(draft());
    }
    let began = Instant::now();
    let report = emitter.flush(Duration::from_millis(300)).await;
    assert!(began.elapsed() <= Duration::from_millis(301), "{:?}", began.elapsed());
    assert_eq!((report.sent, report.still_held, report.dropped), (0, 30, 0));
    assert_conserved(&emitter.stats());
}

#[tokio::test(start_paused = true)]
async fn a_panicking_transport_is_a_failure_like_any_other() {
    let mock = Mock::new();
    mock.next([Behaviour::Panic, Behaviour::Panic]);
    let (emitter, _) = host(mock.clone()).await;
    let error = emitter.try_emit(draft()).await.unwrap_err();
    assert!(matches!(error, EmitError::Held { why: HeldBack::Panicked, .. }));
    let report = emitter.flush(Duration::from_secs(1)).await;
    assert_eq!((report.sent, report.still_held), (1, 0), "the flush tries again");
    assert_eq!(mock.rows()[0].event_id, *error.event_id());
    assert_eq!(emitter.stats().panics, 2);
    assert_conserved(&emitter.stats());
}

/// Panics before there is a future to poll.
struct PanicsAtOnce;

impl Transport for PanicsAtOnce {
    fn send(
        &self,
        _: &[StagedEvent],
    ) -> impl Future<Output = Result<Vec<RowFate>, TransportError>> + Send {
        assert!(std::hint::black_box(false), "at once");
        async { Ok(Vec::new()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_may_panic_before_its_first_poll() {
    let (emitter, _) = host(PanicsAtOnce).await;
    emitter.emit(draft()).await;
    assert_eq!((emitter.stats().panics, emitter.stats().held), (1, 1));
}

struct BrokenClock(World, std::sync::atomic::AtomicBool);

impl Surroundings for BrokenClock {
    fn now(&self) -> Timestamp {
        assert!(!self.1.load(std::sync::atomic::Ordering::Relaxed), "the clock is broken");
        self.0.now()
    }

    fn entropy(&self) -> [u8; 16] {
        self.0.entropy()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_emitter_itself_is_counted_and_goes_no_further() {
    let clock = BrokenClock(World::new(), false.into());
    let emitter = Emitter::connect_in(&clock, settings(), key(), Mock::new()).await.unwrap();
    emitter.emit_later(draft());
    clock.1.store(true, std::sync::atomic::Ordering::Relaxed);
    emitter.emit(draft()).await;
    emitter.emit_later(draft());
    emitter.flush(Duration::from_secs(1)).await;
    let stats = emitter.stats();
    assert_eq!((stats.emitted, stats.rejected[&Code::Panicked], stats.held), (3, 2, 1));
    assert_conserved(&stats);
}

#[test]
fn without_a_runtime_events_wait_instead_of_panicking() {
    fn poll_once<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("nothing to wait for"),
        }
    }
    let (emitter, _) = poll_once(host(Mock::new()));
    poll_once(emitter.emit(draft()));
    let report = poll_once(emitter.flush(Duration::from_secs(1)));
    assert_eq!((report.sent, report.still_held), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_gives_up_waiting_loses_nothing() {
    let mock = Mock::that(Behaviour::Hang);
    let (emitter, _) = host(mock.clone()).await;
    tokio::select! {
        biased;
        _ = emitter.emit(draft()) => panic!("the transport hangs"),
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
    }
    assert_eq!((emitter.stats().held, emitter.stats().in_flight), (1, 0));
    mock.usually(Behaviour::Store);
    assert_eq!(emitter.flush(Duration::from_secs(1)).await.sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_ring_drops_the_oldest_and_counts_it() {
    let mut limited = settings();
    limited.ring_events = 10;
    let mock = Mock::new();
    let (emitter, _) = host_with(limited, mock.clone()).await;
    let ids: Vec<_> = (0..25).map(|_| emitter.emit_later(draft())).collect();
    let stats = emitter.stats();
    assert_eq!((stats.held, stats.dropped), (10, 15));
    assert_conserved(&stats);
    let report = emitter.flush(Duration::from_secs(1)).await;
    assert_eq!((report.sent, report.dropped), (10, 15));
    assert_eq!(emitter.flush(Duration::from_secs(1)).await.dropped, 0, "each is reported once");
    let stored: Vec<_> = mock.rows().into_iter().map(|row| row.event_id).collect();
    assert_eq!(stored, ids[15..]);
}

#[tokio::test(start_paused = true)]
async fn the_ring_is_bounded_in_bytes_as_well() {
    let mut limited = settings();
    limited.ring_bytes = 32 * 1024;
    let (emitter, _) = host_with(limited, Mock::new()).await;
    for _ in 0..1_000 {
        emitter.emit_later(draft());
    }
    let stats = emitter.stats();
    assert!(stats.held_bytes <= 32 * 1024 && stats.held > 10 && stats.dropped > 0, "{stats:?}");
    assert_conserved(&stats);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Emit,
    EmitLater,
    EmitNonsense,
    Flush,
    Wait(i64),
    Transport(Behaviour),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Emit),
        4 => Just(Step::EmitLater),
        1 => Just(Step::EmitNonsense),
        1 => Just(Step::Flush),
        2 => (0_i64..40_000).prop_map(Step::Wait),
        4 => prop_oneof![
            Just(Behaviour::Store),
            (0_usize..3).prop_map(Behaviour::StoreFirst),
            Just(Behaviour::StoreThenFail),
            Just(DOWN),
            Just(Behaviour::Refuse(Code::EventTooLarge)),
            Just(Behaviour::Hang),
        ].prop_map(Step::Transport),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_event_is_lost_without_a_number_and_none_is_stored_twice(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut limited = settings();
            limited.ring_events = 8;
            limited.batch_size = 4;
            let mock = Mock::new();
            let (emitter, world) = host_with(limited, mock.clone()).await;
            for step in steps {
                match step {
                    Step::Emit => drop(emitter.emit(draft()).await),
                    Step::EmitLater => drop(emitter.emit_later(draft())),
                    Step::EmitNonsense => drop(emitter.emit(draft().severity(9)).await),
                    Step::Flush => {
                        let report = emitter.flush(Duration::from_millis(200)).await;
                        assert_eq!(report.still_held, emitter.stats().held);
                    }
                    Step::Wait(ms) => world.advance_ms(ms),
                    Step::Transport(behaviour) => mock.usually(behaviour),
                }
                assert_conserved(&emitter.stats());
                assert!(emitter.stats().held <= 8 && emitter.stats().in_flight == 0);
            }
            mock.usually(Behaviour::Store);
            emitter.flush(Duration::from_secs(60)).await;
            let stats = emitter.stats();
            assert_conserved(&stats);
            assert_eq!(stats.held, 0);
            let mut ids: Vec<_> = mock.rows().into_iter().map(|row| row.event_id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), mock.rows().len());
            // Rows whose answer was lost may be dropped from the ring although they are stored.
            let stored = u64::try_from(ids.len()).unwrap();
            assert!(stored >= stats.sent + stats.duplicates && stored <= stats.sent + stats.duplicates + stats.dropped + stats.rejected_total());
        });
    }
}
