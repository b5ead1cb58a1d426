//! Invocations that were given up, fed once more through a function that puts what it cannot handle into quarantine.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use ports::{
    PortResult,
    stream::{FailedInvocation, OnFailure},
};

use crate::{answer::Answer, function::StreamFunction};

/// What redriving did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// Invocations that are finished and forgotten.
    pub finished: usize,
    /// Invocations that failed again and are still held.
    pub left: usize,
}

/// Feeds every held invocation of `consumer` through `function` once, oldest first, and forgets those that it finishes.
/// One that fails keeps its place and does not stop the others; repeating it after a crash costs nothing but work.
pub async fn redrive<O: OnFailure, F: StreamFunction>(
    held: &O,
    function: &F,
    consumer: &str,
) -> PortResult<Redriven> {
    let mut redriven = Redriven::default();
    let mut passed = 0;
    loop {
        let page = held.held(consumer, passed + PAGE).await?;
        if page.len() <= passed {
            return Ok(redriven);
        }
        for failed in page.into_iter().skip(passed) {
            if finishes(function, &failed).await {
                held.forget(&failed).await?;
                redriven.finished += 1;
            } else {
                tracing::warn!(pump.consumer = consumer, pump.shard = %failed.shard, "a redrive failed");
                redriven.left += 1;
                passed += 1;
            }
        }
    }
}

async fn finishes<F: StreamFunction>(function: &F, failed: &FailedInvocation) -> bool {
    match AssertUnwindSafe(function.invoke(&failed.payload)).catch_unwind().await {
        // Any identifier means that something is left: which one does not matter here.
        Ok(Ok(answer)) => Answer::read::<&str>(&[], &answer) == Answer::Finished,
        Ok(Err(_)) | Err(_) => false,
    }
}

/// An invocation holds up to 6 MB, so only a few are read at once.
const PAGE: usize = 8;
