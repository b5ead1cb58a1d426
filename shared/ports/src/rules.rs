//! What counts as friction for an organisation.

use contract::OrgId;
use friction::rules::RuleSet;

use crate::PortResult;

/// The rules of organisations.
pub trait RuleBook: Send + Sync {
    /// The rules of `org`; nothing when it has none of its own. May be up to a minute old.
    fn rules(&self, org: &OrgId) -> impl Future<Output = PortResult<Option<RuleSet>>> + Send;

    /// Puts the rules of `org` if its version is above that of those it has (of 1 when it has none); false, and nothing is
    /// written, when it is not. Putting the same again answers false and changes nothing.
    fn put_rules(
        &self,
        org: &OrgId,
        rules: &RuleSet,
    ) -> impl Future<Output = PortResult<bool>> + Send;
}
