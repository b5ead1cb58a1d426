//! What an operator asks for over HTTP, beside the insights: `/v1/counters`, `/v1/audit`, `/v1/keys`, `/v1/orgs`.

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use contract::{Code, OrgId, problem::Problem};
use domain::api_key::{self, ApiKey, Known, Scope};
use embedded::Store;
use ports::{
    PortError,
    clock::{Clock as _, SystemClock},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
};
use serde::Deserialize;

use crate::commands::{
    audit::{self, AuditReport},
    books::{self, CounterQuery, CounterReport},
    keys::listed,
};

/// The routes. Those of an operator need a key with the scope `admin`, which sees all organisations; for the others
/// `read` is enough, which sees its own.
pub(crate) fn router(world: Store) -> Router {
    let book = |handler: MethodRouter<Store>| handler.fallback(not_allowed);
    Router::new()
        .route("/v1/counters", book(get(counters)))
        .route("/v1/audit", book(get(audit)))
        .route("/v1/keys", book(get(keys)))
        .route("/v1/orgs", book(get(orgs)))
        .layer(middleware::map_response(private))
        .with_state(world)
}

async fn not_allowed() -> Refusal {
    refusal(405, Code::MethodNotAllowed, "this is only read: GET")
}

/// Books are nothing for caches.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrgQuery {
    org: Option<String>,
}

async fn counters(
    State(world): State<Store>,
    headers: HeaderMap,
    query: Result<Query<CounterQuery>, QueryRejection>,
) -> Result<Json<CounterReport>, Refusal> {
    let caller = authorise(&world, &headers, Scope::Read).await?;
    let Ok(Query(query)) = query else {
        let title = "the parameters are org, from, to (RFC 3339) and top";
        return Err(refusal(400, Code::InvalidParameter, title));
    };
    caller.may_see(query.org.as_ref())?;
    Ok(Json(books::counted(&world, &query, |org| caller.sees(org)).await?))
}

async fn audit(
    State(world): State<Store>,
    headers: HeaderMap,
    query: Result<Query<OrgQuery>, QueryRejection>,
) -> Result<Json<AuditReport>, Refusal> {
    let caller = authorise(&world, &headers, Scope::Admin).await?;
    let org = caller.chosen(query)?;
    // An audit holds the archive's events in memory: one at a time.
    let _only = AUDIT.lock().await;
    audit::at_rest(&world, org.as_ref()).await.map(Json).map_err(|error| {
        tracing::warn!("the audit came to no end: {error:#}");
        refusal(503, Code::StorageUnavailable, "events are under way; ask again when fewer come")
    })
}

async fn orgs(State(world): State<Store>, headers: HeaderMap) -> Result<Json<Vec<OrgId>>, Refusal> {
    authorise(&world, &headers, Scope::Admin).await?;
    Ok(Json(Organisations::list(&world).await?))
}

async fn keys(
    State(world): State<Store>,
    headers: HeaderMap,
) -> Result<Json<Vec<contract::command::ListedKey>>, Refusal> {
    authorise(&world, &headers, Scope::Admin).await?;
    Ok(Json(listed(&ApiKeys::list(&world).await?)))
}

/// Who asks.
struct Caller(ApiKeyRecord);

impl Caller {
    fn sees(&self, org: &str) -> bool {
        self.0.scopes.contains(&Scope::Admin) || self.0.orgs.iter().any(|own| own.as_str() == org)
    }

    /// The organisation asked for; a foreign one is refused in the same words whether or not it exists.
    fn chosen(
        &self,
        query: Result<Query<OrgQuery>, QueryRejection>,
    ) -> Result<Option<OrgId>, Refusal> {
        let Ok(Query(query)) = query else {
            return Err(refusal(400, Code::InvalidParameter, "the only parameter is org"));
        };
        let Some(org) = query.org else { return Ok(None) };
        let org = OrgId::parse(org)
            .map_err(|_| refusal(400, Code::InvalidParameter, "org is no organisation id"))?;
        self.may_see(Some(&org))?;
        Ok(Some(org))
    }

    fn may_see(&self, org: Option<&OrgId>) -> Result<(), Refusal> {
        if org.is_none_or(|org| self.sees(org.as_str())) {
            Ok(())
        } else {
            Err(refusal(403, Code::ForeignOrg, "this key is not bound to that organisation"))
        }
    }
}

async fn authorise(world: &Store, headers: &HeaderMap, needs: Scope) -> Result<Caller, Refusal> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter();
    let own = headers.get_all("x-api-key").iter();
    let mut given = bearer.chain(own).map(|value| value.to_str().unwrap_or_default());
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Err(refusal(400, Code::AmbiguousCredentials, "send one credential"));
    }
    let Some(text) = first else {
        return Err(refusal(401, Code::MissingApiKey, "send a key as Authorization: Bearer"));
    };
    let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
    let invalid = || refusal(401, Code::InvalidApiKey, "this key is not valid");
    let key = ApiKey::parse(text).ok_or_else(invalid)?;
    let record = ApiKeys::find(world, key.key_id()).await?;
    let known = record.as_ref().map(|record| Known {
        secret_hash: &record.secret_hash,
        orgs: &record.orgs,
        scopes: &record.scopes,
        revoked_at: record.revoked_at,
    });
    match (api_key::judge(&key, known, needs, SystemClock.now()), record) {
        (Ok(()), Some(record)) => Ok(Caller(record)),
        (Err(Code::InsufficientScope), _) => {
            Err(refusal(403, Code::InsufficientScope, "this key lacks the scope for that"))
        }
        (Ok(()) | Err(_), _) => Err(invalid()),
    }
}

/// A request that is not answered.
struct Refusal(Box<Problem>);

fn refusal(status: u16, code: Code, title: &str) -> Refusal {
    Refusal(Box::new(Problem::new(status, code, title)))
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        tracing::error!(
            operation = error.operation,
            transient = error.transient,
            "the books cannot be read: {error}"
        );
        let mut problem =
            Problem::new(503, Code::StorageUnavailable, "the books cannot be read now");
        problem.retry_after = Some(1);
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

static AUDIT: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
