//! What can go wrong in the store, and which of it may pass.

use std::{io, path::PathBuf};

use ports::PortError;
use rusqlite::ErrorCode;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be made or read.
    #[error("{path}: {source}")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be opened or brought up to date.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database was written by a newer build.
    #[error("the database has schema {found}, this build knows {known}: use a newer build")]
    NewerSchema {
        /// Of the database.
        found: u32,
        /// The newest that this build knows.
        known: u32,
    },
    /// A key file that others may read, or that is not one.
    #[error("{path}: {reason}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What went wrong in one call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store holds what no build of it writes, or a caller broke a rule of the port.
    #[error("{0}")]
    Invalid(&'static str),
    /// The group in which the call was committed failed.
    #[error("the commit failed: {0}")]
    Group(String),
    #[error("the store is closed")]
    Closed,
    #[error("a bug: the call panicked")]
    Panicked,
}

impl Fault {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code().is_some_and(may_pass),
            Self::Io(error) => {
                !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
            }
            Self::Group(_) => true,
            Self::Json(_) | Self::Invalid(_) | Self::Closed | Self::Panicked => false,
        }
    }

    pub(crate) fn into_port(self, operation: &'static str) -> PortError {
        if self.is_transient() {
            PortError::transient(operation, self)
        } else {
            PortError::permanent(operation, self)
        }
    }
}

/// A busy file, a full or failing disk, a lack of memory: somebody may put that right without touching the store.
fn may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
    )
}
