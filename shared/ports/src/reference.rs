//! What is known about an organisation beforehand.

use contract::{OrgId, ProductId, event::Assignment};

use crate::PortResult;

/// Who is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product.
    pub product: ProductId,
    /// The actor's token.
    pub actor: String,
}

/// Experiments and assignments.
pub trait Reference: Send + Sync {
    /// The assignment of each subject, or nothing. May be up to a minute old.
    fn assignments(
        &self,
        subjects: &[Subject],
    ) -> impl Future<Output = PortResult<Vec<Option<Assignment>>>> + Send;

    /// Records assignments. Recording the same again changes nothing; a later one replaces an earlier one.
    fn assign(
        &self,
        assignments: &[(Subject, Assignment)],
    ) -> impl Future<Output = PortResult<()>> + Send;
}

/// Organisations.
pub trait Organisations: Send + Sync {
    /// Creates an organisation with a salt of its own. Creating an existing one changes nothing and answers false.
    fn create(&self, org: &OrgId) -> impl Future<Output = PortResult<bool>> + Send;

    /// All organisations, by name.
    fn list(&self) -> impl Future<Output = PortResult<Vec<OrgId>>> + Send;
}
