//! Counts round trips: answers wait until everything that does not need them was asked for.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Holds answers back.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// How often answers were let through.
    rounds: usize,
    asked: usize,
    waiting: Vec<Waker>,
}

/// Something that was asked for.
#[derive(Debug)]
pub(crate) struct Asking {
    gate: Arc<Gate>,
    round: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Waiting,
    Through,
}

impl Asking {
    /// The number of its round.
    pub(crate) fn round(&self) -> usize {
        self.round
    }

    /// The answer is there, and waits.
    pub(crate) async fn answer(mut self) {
        poll_fn(|context| {
            let mut held = self.gate.0.lock().unwrap();
            if held.rounds >= self.round {
                self.state = State::Through;
                return Poll::Ready(());
            }
            if self.state == State::Asked {
                self.state = State::Waiting;
                held.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Asking {
    /// Whoever gives up waits for nothing.
    fn drop(&mut self) {
        let mut held = self.gate.0.lock().unwrap();
        if self.state == State::Asked && held.rounds < self.round {
            held.asked -= 1;
        }
    }
}

impl Gate {
    /// Something is asked for.
    pub(crate) fn ask(gate: &Arc<Self>) -> Asking {
        let mut held = gate.0.lock().unwrap();
        held.asked += 1;
        Asking { gate: Arc::clone(gate), round: held.rounds + 1, state: State::Asked }
    }

    /// Runs `work`, which makes all its calls on its own task, and lets answers through whenever it does nothing but wait
    /// for them.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        *self.0.lock().unwrap() = Held::default();
        let mut work = pin!(work);
        let woken = Arc::new(AtomicBool::new(false));
        poll_fn(|context| {
            let waker = Waker::from(Arc::new(Noticed {
                woken: Arc::clone(&woken),
                outer: context.waker().clone(),
            }));
            woken.store(false, Ordering::SeqCst);
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(done);
            }
            // Whoever was woken meanwhile is polled again first: the runtime makes tasks pause of its own accord.
            if !woken.load(Ordering::SeqCst) {
                self.open();
            }
            Poll::Pending
        })
        .await
    }

    /// Lets the answers of a round through if all of them are there.
    fn open(&self) {
        let mut held = self.0.lock().unwrap();
        if held.asked > 0 && held.waiting.len() >= held.asked {
            held.rounds += 1;
            held.asked = 0;
            held.waiting.drain(..).for_each(Waker::wake);
        }
    }
}

/// Wakes whoever runs the work, and notes it.
struct Noticed {
    woken: Arc<AtomicBool>,
    outer: Waker,
}

impl Wake for Noticed {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}
