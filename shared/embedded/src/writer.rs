//! The one writer: jobs queue up, and whatever queued up is committed together.
//!
//! Each job runs in a savepoint of its own, so that a failing job takes back its own writes and nobody else's. Nobody is
//! answered before the commit has succeeded; if it fails, everybody hears so.
//!
//! What was accepted goes before what is new: under a load that fills every group, consumers still write in each one, so
//! that the stream does not grow behind doors that never rest. Doors write in each group, too.

use std::{
    collections::VecDeque,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use ports::{PortResult, bus::Announcement};
use rusqlite::{Connection, params};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{books::Books, fault::Fault, schema};

/// The handle to the writer's thread.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// Whom the writer tells about what it committed.
pub(crate) struct Listeners {
    /// The newest sequence number of the stream.
    pub(crate) appended: watch::Sender<u64>,
    pub(crate) announcements: broadcast::Sender<Announcement>,
    /// Woken when the log is worth moving into the file.
    pub(crate) checkpointer: std::sync::mpsc::SyncSender<()>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        log: PathBuf,
        listeners: Listeners,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let queue = Queue { arriving: queue, onward: VecDeque::new(), new: VecDeque::new() };
        let thread = Thread { connection, log, listeners, queue, commits: 0, logged: 0 };
        let thread = Builder::new().name("store-writer".to_owned()).spawn(move || thread.run())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` in the next commit and answers when it is durable. `weight` is the number of events it writes.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        turn: Turn,
        weight: usize,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> PortResult<T> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { turn, weight, work: Some(work), result: None, reply });
        let sent = match &self.jobs {
            Some(jobs) => jobs.send(job).await.is_ok(),
            None => false,
        };
        let result =
            if sent { answer.await.unwrap_or(Err(Fault::Closed)) } else { Err(Fault::Closed) };
        result.map_err(|fault| fault.into_port(operation))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            drop(thread.join());
        }
    }
}

/// What a job writes with.
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) books: Books,
    pub(crate) announcements: Vec<Announcement>,
    next_sequence: &'a mut i64,
}

impl Tx<'_> {
    /// The number that the next record of the stream gets.
    pub(crate) fn next_sequence(&self) -> i64 {
        *self.next_sequence
    }

    /// Takes the number. A job that fails after taking it leaves a gap, which harms nobody.
    pub(crate) fn take_sequence(&mut self) -> i64 {
        let taken = *self.next_sequence;
        *self.next_sequence += 1;
        taken
    }

    /// Runs one statement.
    pub(crate) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, Fault> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }
}

/// Whose turn it is among those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It moves on what was accepted, or is somebody's command.
    Onward,
    /// It brings new events.
    New,
}

/// A queued job whose result type is forgotten.
trait Job: Send {
    fn turn(&self) -> Turn;
    fn weight(&self) -> usize;
    /// Runs it and keeps its result; true when its writes are to stay.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), &str>);
}

struct Pending<T, F> {
    turn: Turn,
    weight: usize,
    work: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send,
{
    fn turn(&self) -> Turn {
        self.turn
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let work = self.work.take();
        let run = || work.map_or(Err(Fault::Closed), |work| work(tx));
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Fault::Panicked));
        let stays = result.is_ok();
        self.result = Some(result);
        stays
    }

    fn answer(self: Box<Self>, committed: Result<(), &str>) {
        let result = match (self.result, committed) {
            (Some(Err(fault)), _) => Err(fault),
            (_, Err(message)) => Err(Fault::Group(message.to_owned())),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Fault::Closed),
        };
        // Nobody waits any more when the caller was dropped; the work is durable all the same.
        drop(self.reply.send(result));
    }
}

/// The jobs that wait, in the order of their arrival within each turn.
struct Queue {
    arriving: mpsc::Receiver<Box<dyn Job>>,
    onward: VecDeque<Box<dyn Job>>,
    new: VecDeque<Box<dyn Job>>,
}

impl Queue {
    /// The first job of a group; nothing when there will be none any more.
    fn wait(&mut self) -> Option<Box<dyn Job>> {
        self.sort();
        let waiting = self.onward.pop_front().or_else(|| self.new.pop_front());
        waiting.or_else(|| self.arriving.blocking_recv())
    }

    /// The next job of a group that so far has `taken`. A full group still takes one that brings new events if it has
    /// none: neither kind waits for the other to rest.
    fn next(&mut self, taken: &[Box<dyn Job>], full: bool) -> Option<Box<dyn Job>> {
        self.sort();
        if full && taken.iter().any(|job| job.turn() == Turn::New) {
            return None;
        }
        let onward = if full { None } else { self.onward.pop_front() };
        onward.or_else(|| self.new.pop_front())
    }

    fn sort(&mut self) {
        while self.onward.len() + self.new.len() < QUEUE_MAX
            && let Ok(job) = self.arriving.try_recv()
        {
            match job.turn() {
                Turn::Onward => self.onward.push_back(job),
                Turn::New => self.new.push_back(job),
            }
        }
    }
}

struct Thread {
    connection: Connection,
    log: PathBuf,
    listeners: Listeners,
    queue: Queue,
    commits: u64,
    /// Events and commits since the checkpointer was woken.
    logged: usize,
}

/// What a group did besides its jobs' own writes.
#[derive(Default)]
struct Effects {
    books: Books,
    announcements: Vec<Announcement>,
    appended: Option<u64>,
    weight: usize,
}

impl Thread {
    fn run(mut self) {
        while let Some(first) = self.queue.wait() {
            let mut group = Vec::new();
            let outcome = self.commit_group(first, &mut group);
            match outcome {
                Ok(effects) => {
                    group.into_iter().for_each(|job: Box<dyn Job>| job.answer(Ok(())));
                    self.logged += effects.weight + 1;
                    self.tell(effects);
                    self.mind_log();
                }
                Err(fault) => {
                    let message = fault.to_string();
                    tracing::error!(store.jobs = group.len(), "a commit failed: {message}");
                    if !self.connection.is_autocommit() {
                        drop(self.connection.execute_batch("ROLLBACK"));
                    }
                    group.into_iter().for_each(|job| job.answer(Err(&message)));
                }
            }
        }
    }

    /// Every job that was taken off the queue is in `group` afterwards, whatever happened.
    fn commit_group(
        &mut self,
        first: Box<dyn Job>,
        group: &mut Vec<Box<dyn Job>>,
    ) -> Result<Effects, Fault> {
        let started = Instant::now();
        let mut weight = first.weight();
        group.push(first);
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let before = next_sequence(&self.connection)?;
        let mut next = before;
        let mut effects = Effects::default();
        loop {
            if let Some(job) = group.last_mut() {
                self.run_in_savepoint(job.as_mut(), &mut next, &mut effects)?;
            }
            let full = weight >= GROUP_EVENTS_MAX || started.elapsed() >= GROUP_TIME_MAX;
            let Some(job) = self.queue.next(group, full) else { break };
            weight += job.weight();
            group.push(job);
        }
        effects.books.write(&self.connection)?;
        if next != before {
            self.connection
                .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'next_sequence'")?
                .execute([next])?;
            effects.appended = u64::try_from(next - 1).ok();
        }
        self.connection.execute_batch("COMMIT")?;
        effects.weight = weight;
        Ok(effects)
    }

    fn run_in_savepoint(
        &self,
        job: &mut dyn Job,
        next: &mut i64,
        effects: &mut Effects,
    ) -> Result<(), Fault> {
        self.connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        let mut tx = Tx {
            connection: &self.connection,
            books: Books::default(),
            announcements: Vec::new(),
            next_sequence: next,
        };
        if job.run(&mut tx) {
            effects.books.add_all(tx.books);
            effects.announcements.append(&mut tx.announcements);
        } else if self.connection.is_autocommit() {
            // A full disk and the like make SQLite take back the whole transaction by itself.
            return Err(Fault::Group("the transaction was taken back".to_owned()));
        } else {
            self.connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        self.connection.prepare_cached("RELEASE job")?.execute([])?;
        Ok(())
    }

    fn tell(&self, effects: Effects) {
        if let Some(sequence) = effects.appended {
            self.listeners.appended.send_replace(sequence);
        }
        for announcement in effects.announcements {
            // Nobody may be listening; the announcement is in its table.
            drop(self.listeners.announcements.send(announcement));
        }
    }

    /// Has the log moved into the file now and then. Under uninterrupted load the checkpointer never finds the log at
    /// rest, and it grows; once it has grown too far the writer itself moves what is left and starts it anew.
    fn mind_log(&mut self) {
        if self.logged >= LOGGED_MAX {
            self.logged = 0;
            // Full means that it is at it already.
            let _ = self.listeners.checkpointer.try_send(());
        }
        self.commits = self.commits.wrapping_add(1);
        let long = || fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_BYTES_MAX);
        if self.commits.is_multiple_of(LOG_CHECK_COMMITS) && long() {
            // A reader that needs the log is not waited for: the next time will do.
            let cut = self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            });
            if let Err(error) = cut.and(self.connection.busy_timeout(schema::BUSY_TIMEOUT)) {
                tracing::warn!(%error, "the store's log could not be cut: {error}");
            }
        }
    }
}

/// Read in every transaction, because another process may have written in between.
fn next_sequence(connection: &Connection) -> Result<i64, Fault> {
    let mut select =
        connection.prepare_cached("SELECT value FROM meta WHERE name = 'next_sequence'")?;
    if let Some(row) = select.query([])?.next()? {
        return Ok(row.get(0)?);
    }
    connection.execute("INSERT INTO meta VALUES ('next_sequence', ?1)", params![FIRST_SEQUENCE])?;
    Ok(FIRST_SEQUENCE)
}

/// Nineteen digits from the first to the last, so that sequence numbers sort as text, too.
const FIRST_SEQUENCE: i64 = 1_000_000_000_000_000_001;
const GROUP_EVENTS_MAX: usize = 500;
/// Long in this crate's own tests, whose first job waits until the group is queued.
const GROUP_TIME_MAX: Duration = Duration::from_millis(if cfg!(test) { 60_000 } else { 5 });
/// Jobs that may wait; more wait outside, in their callers.
const QUEUE_MAX: usize = 1_024;
/// Some ten megabytes.
const LOGGED_MAX: usize = 2_000;
const LOG_CHECK_COMMITS: u64 = 64;
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use crate::{Options, Store, fault::Fault, writer::Tx};

    fn note(tx: &Tx<'_>, name: &str) -> Result<(), Fault> {
        tx.execute("INSERT INTO meta VALUES (?1, 1)", [name])?;
        Ok(())
    }

    async fn noted(store: &Store) -> Vec<String> {
        let names = |connection: &rusqlite::Connection| {
            let mut select = connection
                .prepare("SELECT name FROM meta WHERE name LIKE 'test%' ORDER BY name")?;
            let names = select.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        };
        store.query("test", names).await.unwrap()
    }

    fn open() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        (directory, store)
    }

    /// Runs jobs in one group: the first of them holds the writer until all are queued.
    macro_rules! together {
        ($store:expr, $($job:expr),+ $(,)?) => {{
            let (go, wait) = mpsc::channel::<()>();
            let first = move |tx: &mut Tx<'_>| {
                let _ = wait.recv();
                note(tx, "test-first")
            };
            let mut open = Some(go);
            tokio::join!(
                $store.write("first", 1, first),
                $($store.write("test", 1, $job),)+
                std::future::poll_fn(move |_| {
                    drop(open.take());
                    std::task::Poll::Ready(())
                }),
            )
        }};
    }

    #[tokio::test]
    async fn a_failing_job_takes_back_its_own_writes_and_nobody_elses() {
        let (_directory, store) = open();
        let fails = |tx: &mut Tx<'_>| {
            note(tx, "test-taken-back")?;
            tx.take_sequence();
            Err::<(), _>(Fault::Invalid("no"))
        };
        let panics = |tx: &mut Tx<'_>| -> Result<(), Fault> {
            note(tx, "test-panicked")?;
            panic!("a bug")
        };
        let (first, failed, panicked, last, ()) =
            together!(store, fails, panics, |tx: &mut Tx<'_>| note(tx, "test-last"));
        first.unwrap();
        last.unwrap();
        assert!(!failed.unwrap_err().transient);
        assert!(!panicked.unwrap_err().transient);
        assert_eq!(noted(&store).await, ["test-first", "test-last"]);
    }

    #[tokio::test]
    async fn when_the_transaction_is_lost_everybody_hears_so_and_the_writer_goes_on() {
        let (_directory, store) = open();
        // What SQLite does by itself on a full disk or a failing one.
        let lost = |tx: &mut Tx<'_>| {
            tx.connection.execute_batch("ROLLBACK")?;
            Err::<(), _>(Fault::Io(std::io::Error::other("gone")))
        };
        let (first, lost, last, ()) =
            together!(store, lost, |tx: &mut Tx<'_>| note(tx, "test-last"));
        assert!(first.unwrap_err().transient, "its writes are gone, too");
        assert!(lost.unwrap_err().transient);
        last.unwrap();
        assert_eq!(noted(&store).await, ["test-last"]);
    }

    #[tokio::test]
    async fn a_job_whose_caller_went_away_is_done_all_the_same() {
        let (_directory, store) = open();
        let mut call = Box::pin(store.write("test", 1, |tx: &mut Tx<'_>| note(tx, "test-orphan")));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(call.as_mut().poll(context).is_pending())
        });
        let pending = polled.await;
        drop(call);
        store.write("test", 1, |tx: &mut Tx<'_>| note(tx, "test-second")).await.unwrap();
        assert_eq!(noted(&store).await, ["test-orphan", "test-second"], "pending: {pending}");
    }

    #[tokio::test]
    async fn what_was_accepted_goes_before_what_is_new_and_neither_waits_for_the_other_to_rest() {
        let (_directory, store) = open();
        let (go, wait) = mpsc::channel::<()>();
        let full = move |_: &mut Tx<'_>| {
            let _ = wait.recv();
            Ok(())
        };
        let place = |tx: &mut Tx<'_>| Ok(tx.take_sequence());
        let mut open = Some(go);
        let (held, earlier, later, onward, ()) = tokio::join!(
            store.write("hold", super::GROUP_EVENTS_MAX, full),
            store.write_new("test", super::GROUP_EVENTS_MAX, place),
            store.write_new("test", 1, place),
            store.write("test", 1, place),
            std::future::poll_fn(move |_| {
                drop(open.take());
                std::task::Poll::Ready(())
            }),
        );
        held.unwrap();
        let (earlier, later, onward) = (earlier.unwrap(), later.unwrap(), onward.unwrap());
        assert!(earlier < onward, "a full group of consumers takes one that is new");
        assert!(onward < later, "the next group begins with what was accepted");
    }
}
