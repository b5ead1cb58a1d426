//! What SQLite commits at most on this disk: rows of the same size, as many per transaction, and nothing else.

use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Rows and commits per second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Raw {
    pub(crate) rows: f64,
    pub(crate) commits: f64,
}

/// Commits transactions of `batch` rows of `bytes` bytes for so long.
pub(crate) fn measure(
    file: &Path,
    batch: u32,
    bytes: usize,
    limit: Duration,
) -> anyhow::Result<Raw> {
    let mut connection = rusqlite::Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)")?;
    let data = vec![b'x'; bytes];
    let (started, mut commits) = (Instant::now(), 0_u32);
    while started.elapsed() < limit {
        let transaction = connection.transaction()?;
        for _ in 0..batch {
            transaction.prepare_cached("INSERT INTO t (data) VALUES (?1)")?.execute([&data])?;
        }
        transaction.commit()?;
        commits += 1;
    }
    let commits = f64::from(commits) / started.elapsed().as_secs_f64();
    Ok(Raw { rows: commits * f64::from(batch), commits })
}

impl Raw {
    /// The mean of two measurements.
    pub(crate) fn mean(self, other: Self) -> Self {
        let rows = f64::midpoint(self.rows, other.rows);
        Self { rows, commits: f64::midpoint(self.commits, other.commits) }
    }
}
