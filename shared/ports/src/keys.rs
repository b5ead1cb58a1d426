//! Keys: of pseudonyms, of quarantined bytes, and of callers. None of them is ever printed.

use std::sync::Arc;

use contract::{OrgId, Timestamp};
use domain::{
    api_key::{ApiKey, Scope},
    pseudonym::Pseudonymiser,
    seal::SealKey,
};

use crate::PortResult;

/// Pseudonymisation keys.
pub trait PseudonymKeys: Send + Sync {
    /// The pseudonymiser of `org` under the current epoch; nothing for an organisation that does not exist. Answers
    /// from memory after the first time, so that no event costs a call.
    fn pseudonymiser(
        &self,
        org: &OrgId,
    ) -> impl Future<Output = PortResult<Option<Arc<Pseudonymiser>>>> + Send;

    /// The key under which quarantined bytes are sealed.
    fn seal_key(&self) -> impl Future<Output = PortResult<Arc<SealKey>>> + Send;
}

/// A caller's key as it is kept: the secret only as its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Names the key.
    pub key_id: String,
    /// SHA-256 of the secret, which is 256 random bits: a slow hash would add nothing.
    pub secret_hash: [u8; 32],
    /// The organisations it is bound to.
    pub orgs: Vec<OrgId>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped being valid.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// What is kept of a key that is made now.
    #[must_use]
    pub fn of(key: &ApiKey, orgs: Vec<OrgId>, scopes: &[Scope], now: Timestamp) -> Self {
        Self {
            key_id: key.key_id().to_owned(),
            secret_hash: key.secret_hash(),
            orgs,
            scopes: scopes.to_vec(),
            created_at: now,
            revoked_at: None,
        }
    }
}

/// Callers' keys.
pub trait ApiKeys: Send + Sync {
    /// The key under `key_id`, revoked or not. May be up to a minute old.
    fn find(&self, key_id: &str) -> impl Future<Output = PortResult<Option<ApiKeyRecord>>> + Send;

    /// Creates or replaces a key; revoking is replacing it by itself with `revoked_at`.
    fn put(&self, key: &ApiKeyRecord) -> impl Future<Output = PortResult<()>> + Send;

    /// Every key, oldest first.
    fn list(&self) -> impl Future<Output = PortResult<Vec<ApiKeyRecord>>> + Send;
}
