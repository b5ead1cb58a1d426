//! How rows reach the staging table.

mod dry_run;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "http")]
mod http;
mod mock;

use contract::{Code, staged::StagedEvent};

pub use dry_run::DryRun;
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDb;
#[cfg(feature = "http")]
pub use http::{Http, HttpError};
pub use mock::{Behaviour, Mock};

/// Puts rows into the staging table, or wherever a host under development wants them.
pub trait Transport: Send + Sync {
    /// Stores at most 25 rows of one organisation and answers their fates in order; a fate that is missing counts as
    /// [`RowFate::Unprocessed`].
    ///
    /// Storing a row again changes nothing: rows are known by (organisation, event id) and are offered again byte for
    /// byte. The future may be dropped at any time, when the budget ends or the host gives up; whatever it stored by
    /// then is answered as known the next time.
    ///
    /// # Errors
    /// Nothing is known about any of the rows; all of them are offered again.
    fn send(
        &self,
        rows: &[StagedEvent],
    ) -> impl Future<Output = Result<Vec<RowFate>, TransportError>> + Send;
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFate {
    /// It is durable now. A store that cannot tell new from known rows (`BatchWriteItem`) answers this for both.
    Stored,
    /// It was durable already.
    Known,
    /// It was not taken this time; it is offered again.
    Unprocessed,
    /// It will never be taken.
    Refused(Code),
}

/// Why a transport could not tell what became of its rows. The words are the transport's own and fixed, so that nothing
/// of an event can be in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It is not there, or broken; another try may succeed.
    #[error("the transport failed: {why}")]
    Unavailable {
        /// What failed.
        why: &'static str,
    },
    /// It asks for a pause.
    #[error("the transport asks for a pause")]
    Throttled,
    /// It refuses this host: wrong credentials, no such table. Another try soon will not help.
    #[error("the transport refuses this host: {why}")]
    Denied {
        /// What it refuses.
        why: &'static str,
    },
}

impl<T: Transport> Transport for &T {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        (*self).send(rows).await
    }
}

impl<T: Transport> Transport for std::sync::Arc<T> {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        self.as_ref().send(rows).await
    }
}
