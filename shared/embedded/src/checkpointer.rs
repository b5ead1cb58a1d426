//! Moves the log into the database file, beside the writer and never in its way.

use std::{
    fs,
    path::PathBuf,
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{Builder, JoinHandle},
};

use rusqlite::Connection;

/// The thread. It ends when the writer, which holds the other end of its channel, has ended.
pub(crate) struct Checkpointer(Option<JoinHandle<()>>);

impl Checkpointer {
    /// Starts the thread; whoever commits wakes it through the sender.
    pub(crate) fn start(
        connection: Connection,
        log: PathBuf,
    ) -> std::io::Result<(Self, SyncSender<()>)> {
        let (wake, woken) = mpsc::sync_channel(1);
        let run = move || run(&connection, &log, &woken);
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

fn run(connection: &Connection, log: &PathBuf, woken: &Receiver<()>) {
    let mut behind = 0;
    while woken.recv().is_ok() {
        let size = fs::metadata(log).map_or(0, |log| log.len());
        // The file keeps its size when SQLite begins it anew, so that only growth and the first filling tell.
        if size < LOG_BYTES_MIN {
            continue;
        }
        behind += 1;
        if behind < COMMITS_MIN {
            continue;
        }
        behind = 0;
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "a checkpoint of the store failed: {error}");
        }
    }
}

/// A shorter log is left alone.
const LOG_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// Fewer wake-ups than this are not worth a checkpoint, which syncs two files.
const COMMITS_MIN: u32 = 8;
