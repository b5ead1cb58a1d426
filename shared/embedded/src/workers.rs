//! A few threads that do blocking work, so that no future ever blocks its executor and any executor will do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{Builder, JoinHandle},
};

use ports::PortResult;
use tokio::sync::oneshot;

use crate::fault::Fault;

/// Threads with a state each; a task runs on whichever is free.
pub(crate) struct Workers<S> {
    tasks: Option<mpsc::Sender<Task<S>>>,
    threads: Vec<JoinHandle<()>>,
}

type Task<S> = Box<dyn FnOnce(&mut S) + Send>;

impl<S: Send + 'static> Workers<S> {
    pub(crate) fn start(name: &str, states: impl IntoIterator<Item = S>) -> std::io::Result<Self> {
        let (tasks, queue) = mpsc::channel::<Task<S>>();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for mut state in states {
            let queue = Arc::clone(&queue);
            let work = move || {
                while let Some(task) = next(&queue) {
                    task(&mut state);
                }
            };
            threads.push(Builder::new().name(name.to_owned()).spawn(work)?);
        }
        Ok(Self { tasks: Some(tasks), threads })
    }

    /// Runs a task and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        task: impl FnOnce(&mut S) -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        let (reply, answer) = oneshot::channel();
        let task: Task<S> = Box::new(move |state| {
            let result = catch_unwind(AssertUnwindSafe(|| task(state)));
            // Nobody waits any more when the caller was dropped.
            drop(reply.send(result.unwrap_or(Err(Fault::Panicked))));
        });
        let sent = self.tasks.as_ref().is_some_and(|tasks| tasks.send(task).is_ok());
        let result =
            if sent { answer.await.unwrap_or(Err(Fault::Closed)) } else { Err(Fault::Closed) };
        result.map_err(|fault| fault.into_port(operation))
    }
}

fn next<S>(queue: &Mutex<mpsc::Receiver<Task<S>>>) -> Option<Task<S>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl<S> Drop for Workers<S> {
    fn drop(&mut self) {
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // A thread that drops the last handle of the store itself cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                drop(thread.join());
            }
        }
    }
}
