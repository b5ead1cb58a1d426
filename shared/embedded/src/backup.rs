//! A copy of everything, taken while the store works.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ports::PortResult;
use rusqlite::{Connection, OpenFlags};

use crate::{DATABASE, Store, archive, fault::Fault, keys::KEY_FILE, schema};

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// Size of the database's copy, bytes.
    pub database_bytes: u64,
    /// Objects of the archive.
    pub objects: usize,
    /// Are the keys among it? Without them tokens cannot be made again and quarantined records not be opened.
    pub keys: bool,
}

impl Store {
    /// Copies the database as of one moment, then the archive and the key file, into `target`, which must not hold a
    /// backup yet. The copy is a store directory: opening it is restoring it.
    ///
    /// # Errors
    /// The target cannot be written, or holds a store already.
    pub async fn backup(&self, target: impl AsRef<Path>) -> PortResult<BackupReport> {
        const OPERATION: &str = "back up the store";
        let target = target.as_ref().to_path_buf();
        let into = target.clone();
        let prepare = move || prepare(&into);
        let database = self.on_disk(OPERATION, prepare).await?;
        let (from, to) = (self.0.directory.join(DATABASE), database.clone());
        self.on_disk(OPERATION, move || copy_database(&from, &to)).await?;
        // The archive comes second: an object is written before the database says that its events are done.
        let (root, source) = (self.archive_root(), self.0.directory.clone());
        self.on_disk(OPERATION, move || copy_files(&source, &root, &target, &database)).await
    }
}

fn prepare(target: &Path) -> Result<PathBuf, Fault> {
    fs::create_dir_all(target)?;
    let database = target.join(DATABASE);
    if database.exists() {
        return Err(Fault::Invalid("the target holds a store already"));
    }
    Ok(database)
}

/// In one read transaction: a consistent state, while the writer goes on.
fn copy_database(from: &Path, to: &Path) -> Result<(), Fault> {
    let to = to.to_str().ok_or(Fault::Invalid("the target's name is not UTF-8"))?;
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(schema::BUSY_TIMEOUT)?;
    connection.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

fn copy_files(
    source: &Path,
    root: &Path,
    target: &Path,
    database: &Path,
) -> Result<BackupReport, Fault> {
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(database, private)?;
    fs::File::open(database)?.sync_all()?;
    let keys = source.join(KEY_FILE);
    let has_keys = keys.exists();
    if has_keys {
        copy(&keys, &target.join(KEY_FILE))?;
    }
    let objects = archive::list(root, "")?;
    for key in &objects {
        copy(&root.join(key), &target.join(archive::ARCHIVE).join(key))?;
    }
    fs::File::open(target)?.sync_all()?;
    let database_bytes = fs::metadata(database)?.len();
    Ok(BackupReport { database_bytes, objects: objects.len(), keys: has_keys })
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}
