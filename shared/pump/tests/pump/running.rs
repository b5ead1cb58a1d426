//! The long-running loop, under tokio's own clock.

use std::{sync::Arc, time::Duration};

use crate::memory::{Stream, at, settings};
use pump::{FunctionError, Pump, Settings, StreamFunction, run::Timed};
use tokio::sync::watch;

/// Finishes everything and tells so.
struct Telling(watch::Sender<usize>);

impl StreamFunction for Telling {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let records = crate::memory::numbers(payload).len();
        self.0.send_modify(|seen| *seen += records);
        Ok(String::new())
    }
}

fn leaked(first: usize, second: usize) -> &'static Stream {
    Box::leak(Box::new(Stream::of(first, second)))
}

#[tokio::test(start_paused = true)]
async fn it_reads_every_shard_and_ends_when_told() {
    let (told, mut seen) = watch::channel(0);
    let stream = leaked(5, 3);
    let pump = Arc::new(Pump::new(stream, Telling(told), at(0), settings(2)));
    let (_wake, woken) = watch::channel(());
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(pump.run(woken, stopping));
    seen.wait_for(|records| *records == 8).await.unwrap();
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(stream.checkpoint("shard-0").as_deref(), Some("12"));
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_could_stop_it_any_more() {
    let pump = Arc::new(Pump::new(leaked(1, 0), Telling(watch::channel(0).0), at(0), settings(2)));
    let (stop, stopping) = watch::channel(false);
    drop(stop);
    pump.run(watch::channel(()).1, stopping).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waking_makes_an_idle_shard_look_before_its_second_is_over() {
    let (told, mut seen) = watch::channel(0);
    let stream = leaked(0, 0);
    let pump = Arc::new(Pump::new(stream, Telling(told), at(0), settings(2)));
    let (wake, woken) = watch::channel(());
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(pump.run(woken, stopping));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.append("shard-1", 1);
    wake.send(()).unwrap();
    // Paused time moves on only when everything waits: less than a poll's second may pass.
    let woken = tokio::time::timeout(Duration::from_millis(500), seen.wait_for(|n| *n == 1)).await;
    assert!(woken.is_ok());
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_function_that_hangs_has_failed() {
    struct Hanging;
    impl StreamFunction for Hanging {
        async fn invoke(&self, _payload: &str) -> Result<String, FunctionError> {
            std::future::pending().await
        }
    }
    let stream = leaked(1, 0);
    let function = Timed { function: Hanging, timeout: Duration::from_secs(120) };
    let once = Settings { max_retries: Some(0), ..settings(1) };
    let drained = Pump::new(stream, function, at(0), once).drain().await.unwrap();
    assert_eq!((drained.given_up, stream.held_numbers().len()), (1, 1));
}
