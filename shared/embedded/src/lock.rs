//! One server at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Takes the lock of `directory` for as long as the file is held; nothing when another process has it. Two servers would
/// process and deliver side by side, and each would announce what the other's listeners wait for. Operators' commands need
/// no lock, but for what a server would take away under their hands.
///
/// # Errors
/// The directory cannot be written to.
pub fn serve_alone(directory: &Path) -> io::Result<Option<File>> {
    std::fs::create_dir_all(directory)?;
    let mut lock = OpenOptions::new();
    let lock = lock.write(true).create(true).truncate(true).mode(0o600);
    let lock = lock.open(directory.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

const LOCK: &str = "server.lock";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_lock_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        drop(serve_alone(directory.path()).unwrap());
        let made = std::fs::metadata(directory.path().join(LOCK)).unwrap();
        assert_eq!(made.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_is_served_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let held = serve_alone(directory.path()).unwrap();
        assert!(held.is_some());
        assert!(serve_alone(directory.path()).unwrap().is_none());
        drop(held);
        assert!(serve_alone(directory.path()).unwrap().is_some());
    }
}
