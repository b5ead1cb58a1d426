//! Who sends: one key, in one header.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use contract::{Code, Timestamp};
use domain::api_key::{Known, Scope, judge, presented};
use ports::keys::{ApiKeyRecord, ApiKeys};

use crate::{batch::unavailable, problem::Refusal};

/// The record of the presented key, if it may send events.
pub(crate) async fn sender(
    keys: &impl ApiKeys,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<ApiKeyRecord, Refusal> {
    let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let presented = presented(values(header::AUTHORIZATION), values(X_API_KEY))?;
    let record = keys.find(presented.key_id()).await.map_err(|error| unavailable(&error))?;
    let known = record.as_ref().map(|record| Known {
        secret_hash: &record.secret_hash,
        orgs: &record.orgs,
        scopes: &record.scopes,
        revoked_at: record.revoked_at,
    });
    judge(&presented, known, Scope::Ingest, now)?;
    // A key that is bound to no organisation can send for none.
    record.filter(|record| !record.orgs.is_empty()).ok_or(Code::InsufficientScope.into())
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
