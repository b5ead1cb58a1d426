//! Who asks: one key, in one header; the organisation is the key's. A key that operates the installation may name any.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use contract::{Code, OrgId, Timestamp};
use domain::api_key::{Known, Scope, judge, judge_again, presented};
use ports::{
    PortResult,
    keys::{ApiKeyRecord, ApiKeys},
};

use crate::{parameters, problem::Refusal};

/// Somebody with a key that may read.
#[derive(Debug)]
pub struct Caller(ApiKeyRecord);

impl Caller {
    /// Whoever presents a key in `headers`, if it may read.
    ///
    /// # Errors
    /// What speaks against it.
    pub async fn of(
        keys: &impl ApiKeys,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let presented = presented(values(header::AUTHORIZATION), values(X_API_KEY))?;
        let record = keys.find(presented.key_id()).await?;
        judge(&presented, record.as_ref().map(known), Scope::Read, now)?;
        record.map(Self).ok_or(Code::InvalidApiKey.into())
    }

    /// Whoever presented the key `key_id` before, if it may still read.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub async fn again(
        keys: &impl ApiKeys,
        key_id: &str,
        now: Timestamp,
    ) -> PortResult<Option<Self>> {
        let record = keys.find(key_id).await?;
        let may = |record: &ApiKeyRecord| judge_again(known(record), Scope::Read, now).is_ok();
        Ok(record.filter(may).map(Self))
    }

    /// Names the key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// The organisation that is asked about: the key's only one, or the one of its several that the caller names; any that an
    /// operator names.
    ///
    /// # Errors
    /// It may not ask about that one, or has to name one.
    pub fn org(&self, named: Option<OrgId>) -> Result<OrgId, Refusal> {
        match (named, self.0.orgs.as_slice()) {
            (Some(named), _) if self.sees(named.as_str()) => Ok(named),
            // The same words whether or not there is such an organisation.
            (Some(_), _) => Err(Code::ForeignOrg.into()),
            (None, [only]) => Ok(only.clone()),
            // A key that is bound to no organisation can ask for none.
            (None, []) if !self.operates() => Err(Code::InsufficientScope.into()),
            (None, _) => Err(Refusal::parameter(&parameters::ORG)),
        }
    }

    /// True for a key that operates the installation.
    pub(crate) fn operates(&self) -> bool {
        self.0.scopes.contains(&Scope::Admin)
    }

    /// True for what this caller may ask about: every organisation for a key that operates the installation.
    pub(crate) fn sees(&self, org: &str) -> bool {
        self.operates() || self.0.orgs.iter().any(|own| own.as_str() == org)
    }
}

fn known(record: &ApiKeyRecord) -> Known<'_> {
    Known {
        secret_hash: &record.secret_hash,
        orgs: &record.orgs,
        scopes: &record.scopes,
        revoked_at: record.revoked_at,
    }
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
