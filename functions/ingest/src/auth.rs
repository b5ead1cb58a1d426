//! Who sends: one key, in one header.

use axum::http::{HeaderMap, HeaderValue, header};
use contract::{Code, Timestamp};
use domain::api_key::{ApiKey, Known, Scope, judge};
use ports::keys::{ApiKeyRecord, ApiKeys};

use crate::{batch::unavailable, problem::Refusal};

/// The record of the presented key, if it may send events.
pub(crate) async fn sender(
    keys: &impl ApiKeys,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<ApiKeyRecord, Refusal> {
    let presented = presented(headers)?;
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

fn presented(headers: &HeaderMap) -> Result<ApiKey, Code> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(bearer_of);
    let own = headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes).map(Some);
    let mut credentials = bearer.chain(own);
    match (credentials.next(), credentials.next()) {
        (None, _) => Err(Code::MissingApiKey),
        (Some(_), Some(_)) => Err(Code::AmbiguousCredentials),
        (Some(credential), None) => credential
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .and_then(|text| ApiKey::parse(text.trim()))
            .ok_or(Code::InvalidApiKey),
    }
}

/// The scheme's name has no case.
fn bearer_of(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}

const BEARER: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_credential_in_one_header_is_a_key() {
        let key = ApiKey::new([7; 16], [9; 32]).reveal();
        let bearer = format!("bearer {key}");
        for (headers, expected) in [
            (vec![], Err(Code::MissingApiKey)),
            (vec![("authorization", bearer.as_str())], Ok(())),
            (vec![("x-api-key", key.as_str())], Ok(())),
            (vec![("authorization", key.as_str())], Err(Code::InvalidApiKey)),
            (vec![("authorization", "Basic eDp5")], Err(Code::InvalidApiKey)),
            (vec![("authorization", "Bearer")], Err(Code::InvalidApiKey)),
            (vec![("x-api-key", "")], Err(Code::InvalidApiKey)),
            (vec![("x-api-key", "f\u{fc}r")], Err(Code::InvalidApiKey)),
            (
                vec![("authorization", &bearer), ("x-api-key", &key)],
                Err(Code::AmbiguousCredentials),
            ),
            (vec![("x-api-key", &key), ("x-api-key", &key)], Err(Code::AmbiguousCredentials)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(presented(&map).map(|_| ()), expected, "{headers:?}");
        }
    }
}
