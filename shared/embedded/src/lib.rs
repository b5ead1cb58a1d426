//! Every port kept by one SQLite file and one directory.
//!
//! It is what a small installation runs on for good, and what demos and tests run on: one process has the server, and
//! others (the operator's commands) may open the same directory beside it.
//!
//! # Layout
//!
//! - [`fault`], `schema`, `workers`, `writer`, `books`: the machinery; all writing goes through one thread that commits in groups
//! - `events`: the one row that holds what is known about an accepted event
//! - `intake`, `staging`, `stream`, `on_failure`: how events get in, and the log that carries them
//! - `ledger`, `archive`, `quarantine`, `reference`: what the processor reads and writes
//! - `leases`, `forming`, `outbox`, `parking`: the way to the connector
//! - `owners`, `event_log`, `heads`, `sessions`, `cells`, `understanding`, `projections`, `rules`: events of sessions,
//!   what is made of them, and what counts as friction
//! - `watches`: those who listen to a session's context from afar
//! - `keys`, `bus`, `accounts`, `whereabouts`: keys, announcements, reading
//! - `checkpointer`, `expiry`, `retention`, `backup`, `lock`: upkeep

mod accounts;
mod archive;
mod backup;
mod books;
mod bus;
mod cells;
mod checkpointer;
mod event_log;
mod events;
mod expiry;
pub mod fault;
mod forming;
mod heads;
mod intake;
mod keys;
mod leases;
mod ledger;
mod lock;
mod on_failure;
mod outbox;
mod owners;
mod parking;
mod projections;
mod quarantine;
mod reference;
mod retention;
mod rows;
mod rules;
mod schema;
mod sessions;
mod staging;
mod stream;
mod understanding;
mod watches;
mod whereabouts;
mod workers;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::Timestamp;
use ports::{
    PortResult,
    bus::Announcement,
    clock::{Clock, SystemClock},
};
use rusqlite::Connection;
use tokio::sync::{broadcast, watch};

pub use accounts::{PROCESSOR, UniqueActors};
pub use backup::BackupReport;
pub use fault::OpenError;
pub use keys::KEY_FILE;
pub use lock::serve_alone;
pub use retention::{Retained, Retention};
pub use stream::Backlog;

use crate::{
    checkpointer::Checkpointer,
    fault::Fault,
    keys::KeyRing,
    workers::Workers,
    writer::{Listeners, Turn, Tx, Writer},
};

/// The store. Clones are handles to the same one; the last one to go waits for what is queued and closes the file.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// What an answered write survives.
    pub durability: Durability,
    /// Shards of the stream, at least 1. More may be asked for later; fewer than there are change nothing.
    pub shards: u32,
    /// Tells the time where a call brings none.
    pub clock: Arc<dyn Clock>,
    /// How long things are kept.
    pub retention: Retention,
    /// Largest size of the database file, bytes: beyond it writes fail as on a full disk.
    pub bytes_max: Option<u64>,
}

/// What an answered write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A crash of the process and a loss of power: the file is synced before the answer.
    #[default]
    Full,
    /// A crash of the process; a loss of power may take the last moments, never consistency.
    Relaxed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            shards: 1,
            clock: Arc::new(SystemClock),
            retention: Retention::default(),
            bytes_max: None,
        }
    }
}

// Fields go in this order: first whoever writes, last who reads.
struct Inner {
    writer: Writer,
    readers: Workers<Connection>,
    files: Workers<()>,
    _checkpointer: Checkpointer,
    directory: PathBuf,
    shards: u32,
    clock: Arc<dyn Clock>,
    retention: Retention,
    keys: KeyRing,
    appended: watch::Receiver<u64>,
    announcements: broadcast::Sender<Announcement>,
}

impl Store {
    /// Opens the store in `directory`, makes it if there is none, and brings an older one up to date.
    ///
    /// # Errors
    /// The directory cannot be used, the database is newer than this build, or the key file is open to others.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let directory = directory.as_ref().to_path_buf();
        let failed = |source| OpenError::Directory { path: directory.clone(), source };
        let path = directory.join(DATABASE);
        let connection = schema::open_writer(&path, options.durability, options.bytes_max)?;
        let shards = stream::declare_shards(&connection, options.shards)?;
        let readers =
            (0..READERS).map(|_| schema::open_reader(&path)).collect::<Result<Vec<_>, _>>()?;
        let keys = KeyRing::load(&directory)?;
        let log = directory.join(LOG);
        let (checkpointer, wake) =
            Checkpointer::start(schema::open_checkpointer(&path)?).map_err(failed)?;
        let (appended, appended_to) = watch::channel(0);
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS_MAX);
        let listeners =
            Listeners { appended, announcements: announcements.clone(), checkpointer: wake };
        Ok(Self(Arc::new(Inner {
            writer: Writer::start(connection, log, listeners).map_err(failed)?,
            readers: Workers::start("store-reader", readers).map_err(failed)?,
            files: Workers::start("store-files", [(); FILE_THREADS]).map_err(failed)?,
            _checkpointer: checkpointer,
            shards,
            clock: options.clock,
            retention: options.retention,
            keys,
            appended: appended_to,
            announcements,
            directory,
        })))
    }

    /// The directory in which everything lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Runs `work` in the writer's next commit. `weight` is the number of events it writes.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        weight: usize,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        self.0.writer.run(operation, Turn::Onward, weight, work).await
    }

    /// The same for `work` that brings new events: what was accepted before goes first.
    async fn write_new<T: Send + 'static>(
        &self,
        operation: &'static str,
        weight: usize,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        self.0.writer.run(operation, Turn::New, weight, work).await
    }

    /// Runs `work` on a reading connection, in one transaction: all of it sees the same state.
    async fn query<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        let read = |connection: &mut Connection| {
            let transaction = connection.unchecked_transaction()?;
            work(&transaction)
        };
        self.0.readers.run(operation, read).await
    }

    /// Runs `work` on a thread that may block on files.
    async fn on_disk<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        self.0.files.run(operation, |()| work()).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.directory).finish()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("shards", &self.shards)
            .field("retention", &self.retention)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// The database's file name in its directory.
pub const DATABASE: &str = "tribo.db";
const LOG: &str = "tribo.db-wal";
const READERS: usize = 3;
const FILE_THREADS: usize = 2;
const ANNOUNCEMENTS_MAX: usize = 1_024;
