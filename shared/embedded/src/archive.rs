//! Objects as files under `archive/`: written aside, synced, renamed, and the directory synced.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use ports::{PortResult, archive::Archive};

use crate::{Store, fault::Fault};

impl Archive for Store {
    async fn write(&self, key: &str, bytes: &[u8]) -> PortResult<()> {
        let (root, key, bytes) = (self.archive_root(), key.to_owned(), bytes.to_vec());
        self.on_disk("write to the archive", move || write(&root, &key, &bytes)).await
    }

    async fn read(&self, key: &str) -> PortResult<Option<Vec<u8>>> {
        let (root, key) = (self.archive_root(), key.to_owned());
        self.on_disk("read from the archive", move || read(&root, &key)).await
    }

    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        let (root, prefix) = (self.archive_root(), prefix.to_owned());
        self.on_disk("list the archive", move || list(&root, &prefix)).await
    }
}

impl Store {
    pub(crate) fn archive_root(&self) -> PathBuf {
        self.0.directory.join(ARCHIVE)
    }
}

fn write(root: &Path, key: &str, bytes: &[u8]) -> Result<(), Fault> {
    let path = path_of(root, key)?;
    let directory = path.parent().unwrap_or(root);
    make_directories(directory)?;
    let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
    // A dot, so that no key can name it and no listing shows it.
    let aside = directory.join(format!(".{}-{count}", std::process::id()));
    let written = write_synced(&aside, bytes).and_then(|()| fs::rename(&aside, &path));
    if written.is_err() {
        drop(fs::remove_file(&aside));
    }
    written?;
    Ok(File::open(directory)?.sync_all()?)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes missing directories and syncs the parent of each, so that a loss of power does not take a new hour's objects.
fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directories(parent)?;
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => File::open(parent)?.sync_all()?,
        }
    }
    Ok(())
}

pub(crate) fn read(root: &Path, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    match fs::read(path_of(root, key)?) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The keys that begin with `prefix`, ascending. Only the directories that can hold such keys are read.
pub(crate) fn list(root: &Path, prefix: &str) -> Result<Vec<String>, Fault> {
    let start = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
    if !start.is_empty() {
        path_of(root, start)?;
    }
    let mut keys = Vec::new();
    let mut open = vec![start.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(root.join(&directory)) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let may_match = key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"));
            if !is_key(&key) || !may_match {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(key);
            } else {
                keys.push(key);
            }
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

/// The file of a key. A key that could leave the archive is not one.
fn path_of(root: &Path, key: &str) -> Result<PathBuf, Fault> {
    if is_key(key) {
        Ok(root.join(key))
    } else {
        Err(Fault::Invalid(
            "not a key: 1 to 512 of [A-Za-z0-9._=-] in segments that do not begin with a dot",
        ))
    }
}

fn is_key(key: &str) -> bool {
    let segment = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.len() <= SEGMENT_BYTES_MAX
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=-".contains(&b))
    };
    key.len() <= KEY_BYTES_MAX && key.split('/').all(segment)
}

/// No such file, or a file where the key needs a directory, or the other way round.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// Tells the files of concurrent writes apart.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
pub(crate) const ARCHIVE: &str = "archive";
const KEY_BYTES_MAX: usize = 512;
const SEGMENT_BYTES_MAX: usize = 200;
