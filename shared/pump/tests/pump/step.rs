//! The pump over a stream in memory: what it hands out, what it keeps, and where it goes on.

use std::sync::atomic::Ordering;

use crate::memory::{Script, Stream, at, done, fails, resume_at, settings};
use pump::{FunctionError, Pump, Redriven, Settings, ShardState, Step, decide::Condition, redrive};

#[tokio::test]
async fn every_shard_is_read_to_its_end_in_order() {
    let (stream, function) = (Stream::of(5, 3), Script::new(|_: &[u64]| done()));
    // The checkpoints and the script are looked at afterwards, so the pump borrows them.
    let pump = Pump::new(&stream, &function, at(0), settings(2));
    let drained = pump.drain().await.unwrap();
    assert_eq!((drained.finished, drained.given_up, drained.idle), (8, 0, true));
    let batches = function.batches();
    assert_eq!(batches, [vec![1, 2], vec![1, 2], vec![3, 4], vec![3], vec![5]]);
    assert_eq!(stream.checkpoint("shard-0").as_deref(), Some("12"));
    assert_eq!(stream.checkpoint("shard-1").as_deref(), Some("10"));
}

#[tokio::test]
async fn a_partial_answer_moves_the_checkpoint_and_repeats_the_rest_at_once() {
    let stream = Stream::of(4, 0);
    let function = Script::new(
        |batch: &[u64]| {
            if batch.first() == Some(&1) { Ok(resume_at(3)) } else { done() }
        },
    );
    let pump = Pump::new(&stream, &function, at(0), settings(3));
    let mut state = ShardState::default();
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(2));
    assert_eq!(stream.checkpoint("shard-0").as_deref(), Some("9"));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(1));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(1));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Idle);
    assert_eq!(function.batches(), [vec![1, 2, 3], vec![3], vec![4]]);
}

#[tokio::test]
async fn bisecting_isolates_the_bad_record_and_holds_it_alone() {
    let stream = Stream::of(8, 0);
    let function = Script::new(|batch: &[u64]| if batch.contains(&6) { fails() } else { done() });
    let pump = Pump::new(&stream, &function, at(0), settings(8));
    let drained = pump.drain().await.unwrap();
    assert_eq!((drained.finished, drained.given_up, drained.idle), (7, 1, true));
    assert_eq!(stream.held_numbers(), [[6]]);
    let eight = vec![1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(
        function.batches(),
        [
            eight,
            vec![1, 2, 3, 4],
            vec![5, 6, 7, 8],
            vec![5, 6],
            vec![5],
            vec![6],
            vec![6],
            vec![7, 8]
        ]
    );
    let held = stream.held.lock().unwrap()[0].clone();
    assert_eq!(held.condition, "RetryAttemptsExhausted");
    assert_eq!(held.sequences, ("13".to_owned(), "13".to_owned()));
    assert_eq!((held.consumer.as_str(), held.shard.as_str()), ("c", "shard-0"));
}

#[tokio::test]
async fn without_bisecting_the_whole_batch_is_retried_then_held() {
    let stream = Stream::of(3, 0);
    let function = Script::new(|batch: &[u64]| if batch.contains(&2) { fails() } else { done() });
    let pump = Pump::new(&stream, &function, at(0), Settings { bisect: false, ..settings(2) });
    let mut state = ShardState::default();
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::RetryAfter(200));
    let gave_up = Step::GaveUp(2, Condition::RetryAttemptsExhausted);
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), gave_up);
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(1));
    assert_eq!(stream.held_numbers(), [[1, 2]]);
}

#[tokio::test]
async fn an_identifier_outside_the_batch_fails_all_of_it() {
    let stream = Stream::of(2, 0);
    let function = Script::new(|_: &[u64]| Ok(resume_at(7)));
    let pump = Pump::new(&stream, &function, at(0), settings(2));
    let drained = pump.drain().await.unwrap();
    assert_eq!((drained.finished, drained.given_up), (0, 2));
    assert_eq!(stream.held_numbers(), [[1], [2]]);
}

#[tokio::test]
async fn a_function_that_panics_has_failed() {
    let stream = Stream::of(1, 0);
    let function = Script::new(|_: &[u64]| panic!("a bug"));
    let pump = Pump::new(&stream, &function, at(0), settings(1));
    assert_eq!(pump.drain().await.unwrap().given_up, 1);
}

#[tokio::test]
async fn a_function_that_never_ran_costs_no_attempt() {
    let stream = Stream::of(2, 0);
    let function = Script::new(|_: &[u64]| Err(FunctionError::NotRun("throttled".into())));
    let pump = Pump::new(&stream, &function, at(0), settings(2));
    let mut state = ShardState::default();
    for pause_ms in [200, 400, 800, 1_600] {
        assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::RetryAfter(pause_ms));
    }
    assert_eq!(function.batches(), vec![vec![1, 2]; 4]);
}

#[tokio::test]
async fn records_past_their_age_are_held_without_being_sent() {
    let stream = Stream::of(4, 0);
    let function = Script::new(|_: &[u64]| done());
    // Record n arrived at n seconds: at 12.5 s, two of them are older than 10 s.
    let aged = Settings { max_age_ms: Some(10_000), ..settings(8) };
    let pump = Pump::new(&stream, &function, at(12_500), aged);
    let drained = pump.drain().await.unwrap();
    assert_eq!((drained.finished, drained.given_up), (2, 2));
    assert_eq!(function.batches(), [[3, 4]]);
    assert_eq!(stream.held_numbers(), [[1, 2]]);
    assert_eq!(stream.held.lock().unwrap()[0].condition, "MaximumRecordAgeExceeded");
}

#[tokio::test]
async fn a_batch_that_is_not_full_waits_for_its_window() {
    let stream = Stream::of(3, 0);
    let function = Script::new(|_: &[u64]| done());
    let clock = at(1_500);
    let pump = Pump::new(&stream, &function, &clock, Settings { window_ms: 2_000, ..settings(2) });
    let mut state = ShardState::default();
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(2));
    clock.forward(2_000);
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Gathering(1_500));
    clock.forward(1_500);
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(1));
    assert_eq!(function.batches(), [vec![1, 2], vec![3]]);
}

#[tokio::test]
async fn a_checkpoint_that_could_not_be_saved_means_delivering_again() {
    let stream = Stream::of(2, 0);
    stream.saves_that_fail.store(1, Ordering::SeqCst);
    let function = Script::new(|_: &[u64]| done());
    let pump = Pump::new(&stream, &function, at(0), settings(2));
    let mut state = ShardState::default();
    assert!(pump.step("shard-0", &mut state).await.unwrap_err().transient);
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(2));
    assert_eq!(function.batches(), [[1, 2], [1, 2]]);
}

#[tokio::test]
async fn a_shorter_batch_size_cuts_the_batch_under_way_and_loses_nothing() {
    let stream = Stream::of(4, 0);
    let (fails_once, works) = (Script::new(|_: &[u64]| fails()), Script::new(|_: &[u64]| done()));
    let whole = Settings { bisect: false, ..settings(4) };
    let mut state = ShardState::default();
    let step = Pump::new(&stream, &fails_once, at(0), whole).step("shard-0", &mut state).await;
    assert_eq!(step.unwrap(), Step::RetryAfter(200));
    let pump = Pump::new(&stream, &works, at(0), settings(3));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(3));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Progressed(1));
    assert_eq!(pump.step("shard-0", &mut state).await.unwrap(), Step::Idle);
    assert_eq!(works.batches(), [vec![1, 2, 3], vec![4]]);
}

#[tokio::test]
async fn redriving_forgets_what_it_finishes_and_keeps_the_rest_in_order() {
    let stream = Stream::of(12, 0);
    let function = Script::new(|_: &[u64]| fails());
    Pump::new(&stream, &function, at(0), settings(1)).drain().await.unwrap();
    assert_eq!(stream.held_numbers().len(), 12);
    stream.held.lock().unwrap()[0].consumer = "another".to_owned();

    let some = Script::new(|batch: &[u64]| match batch[0] {
        3 => fails(),
        4 => Ok(resume_at(4)),
        _ => done(),
    });
    let redriven = redrive(&&stream, &some, "c").await.unwrap();
    assert_eq!(redriven, Redriven { finished: 9, left: 2 });
    assert_eq!(stream.held_numbers(), [[1], [3], [4]]);
    assert_eq!(some.batches().len(), 11, "each is tried once");

    let all = Script::new(|_: &[u64]| done());
    assert_eq!(redrive(&&stream, &all, "c").await.unwrap(), Redriven { finished: 2, left: 0 });
    assert_eq!(stream.held_numbers(), [[1]]);
}
