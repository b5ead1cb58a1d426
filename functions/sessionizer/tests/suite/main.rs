//! The sessionizer over the embedded store.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;
mod compacting;
mod crowded;
mod keeping;
mod sweeping;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Runs a future for so many polls; nothing when it died before its end.
fn dies_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
    }
    None
}

/// 2026-02-12T10:00:00Z.
const NOW_MS: i64 = 1_770_890_400_000;
