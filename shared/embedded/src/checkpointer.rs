//! Moves the log into the database file, beside the writer and never in its way.

use std::{
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{Builder, JoinHandle},
};

use rusqlite::Connection;

/// The thread. It ends when the writer, which holds the other end of its channel, has ended.
pub(crate) struct Checkpointer(Option<JoinHandle<()>>);

impl Checkpointer {
    /// Starts the thread; the writer wakes it through the sender.
    pub(crate) fn start(connection: Connection) -> std::io::Result<(Self, SyncSender<()>)> {
        let (wake, woken) = mpsc::sync_channel(1);
        let run = move || run(&connection, &woken);
        let thread = Builder::new().name("store-checkpoint".to_owned()).spawn(run)?;
        Ok((Self(Some(thread)), wake))
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.thread().id() != std::thread::current().id()
        {
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Passive: it waits for nobody and nobody waits for it.
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "a checkpoint of the store failed: {error}");
        }
    }
}
