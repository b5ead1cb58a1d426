//! Process and dependency state.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::Code;
use ports::keys::ApiKeys;

use crate::problem::Refusal;

/// 200 while the store answers, else 503: a load balancer asks it, so that it says no more.
pub(crate) async fn handle(keys: &impl ApiKeys) -> Result<Response, Refusal> {
    if let Err(error) = keys.find(NOBODY).await {
        tracing::error!(
            operation = error.operation,
            transient = error.transient,
            "unhealthy: {error}"
        );
        return Err(Refusal::of(Code::StorageUnavailable).retry_after(RETRY_SECONDS));
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::OK, json, HEALTHY).into_response())
}

/// No key has this id.
const NOBODY: &str = "health";
const HEALTHY: &str = r#"{"status":"ok","dependencies":{"store":"ok"}}"#;
const RETRY_SECONDS: u64 = 5;
