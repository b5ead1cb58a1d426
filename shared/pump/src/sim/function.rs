//! A function in bad weather.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use ports::chance::Chance;

use super::Weather;
use crate::function::{FunctionError, StreamFunction};

/// A function that crashes, runs twice, or whose answer is lost.
#[derive(Debug)]
pub struct Stormy<F> {
    function: F,
    // A function is shared between shards, so its chance has a lock; it is never held across an await.
    state: Mutex<(Chance, Weather)>,
}

impl<F> Stormy<F> {
    /// `function` in this weather.
    #[must_use]
    pub fn new(function: F, chance: Chance, weather: Weather) -> Self {
        Self { function, state: Mutex::new((chance, weather)) }
    }

    /// From here on nothing goes wrong.
    pub fn calm(&self) {
        self.state().1 = Weather::default();
    }

    fn state(&self) -> MutexGuard<'_, (Chance, Weather)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> Fate {
        let (chance, weather) = &mut *self.state();
        if chance.percent(weather.not_run) {
            Fate::NotRun
        } else if chance.percent(weather.crash) {
            Fate::CrashAt(1 + chance.below(CRASH_AWAITS_MAX))
        } else if chance.percent(weather.lost_answer) {
            Fate::LostAnswer
        } else if chance.percent(weather.twice) {
            Fate::Twice
        } else {
            Fate::Fair
        }
    }
}

enum Fate {
    Fair,
    NotRun,
    /// Dropped at this await, counted from one.
    CrashAt(usize),
    LostAnswer,
    Twice,
}

impl<F: StreamFunction> StreamFunction for Stormy<F> {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        let failed = |what: &'static str| FunctionError::failed(what);
        match self.fate() {
            Fate::Fair => self.function.invoke(payload).await,
            Fate::NotRun => Err(FunctionError::NotRun("throttled".into())),
            Fate::CrashAt(awaits) => Dropped::at(self.function.invoke(payload), awaits)
                .await
                .unwrap_or_else(|| Err(failed("it crashed"))),
            Fate::LostAnswer => {
                // The answer is what gets lost: whatever it was, the mapping sees a timeout.
                let _ = self.function.invoke(payload).await;
                Err(failed("its answer was lost"))
            }
            Fate::Twice => {
                let _ = self.function.invoke(payload).await;
                self.function.invoke(payload).await
            }
        }
    }
}

/// A future that is dropped at one of its awaits; it answers nothing unless it was ready before.
struct Dropped<F> {
    future: Option<Pin<Box<F>>>,
    awaits: usize,
}

impl<F> Dropped<F> {
    fn at(future: F, awaits: usize) -> Self {
        Self { future: Some(Box::pin(future)), awaits }
    }
}

impl<F: Future> Future for Dropped<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        if let Poll::Ready(answer) = future.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        self.awaits = self.awaits.saturating_sub(1);
        if self.awaits > 0 {
            return Poll::Pending;
        }
        self.future = None;
        Poll::Ready(None)
    }
}

/// Later awaits than this are met by the tasks of `interleave`.
const CRASH_AWAITS_MAX: usize = 24;
