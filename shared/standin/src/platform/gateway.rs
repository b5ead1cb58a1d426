//! The HTTP API in front of a function: a request becomes the event of payload format 2.0, its answer becomes a response.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode},
    response::IntoResponse,
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::Timestamp;
use ports::clock::{Clock, SystemClock};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::lambda::Function;

/// Serves `function` as the HTTP API does, until the listener fails.
///
/// # Errors
/// The listener.
pub async fn serve(listener: TcpListener, function: Arc<Function>) -> std::io::Result<()> {
    let routes =
        Router::new().fallback(pass).layer(DefaultBodyLimit::disable()).with_state(function);
    axum::serve(listener, routes).await
}

async fn pass(State(function): State<Arc<Function>>, request: Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Too Long"}"#)
            .into_response();
    };
    let event = event(&parts, &body, SystemClock.now());
    let answer = match function.invoke(event.to_string()).await {
        Ok(answer) => answer,
        Err(failure) => {
            return (StatusCode::BAD_GATEWAY, json!({"message": failure.to_string()}).to_string())
                .into_response();
        }
    };
    response(&answer).unwrap_or_else(|| {
        (StatusCode::BAD_GATEWAY, r#"{"message":"Internal Server Error"}"#).into_response()
    })
}

/// Serves Lambda's `Invoke` for every function of a platform, until the listener fails.
///
/// # Errors
/// The listener.
pub async fn serve_invocations(
    listener: TcpListener,
    functions: BTreeMap<String, Arc<Function>>,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .with_state(Arc::new(functions));
    axum::serve(listener, routes).await
}

async fn invoke(
    State(functions): State<Arc<BTreeMap<String, Arc<Function>>>>,
    Path(name): Path<String>,
    payload: Bytes,
) -> axum::response::Response {
    let Some(function) = functions.get(&name) else {
        let told = r#"{"Type":"User","Message":"Function not found"}"#;
        return (StatusCode::NOT_FOUND, [("x-amzn-errortype", "ResourceNotFoundException")], told)
            .into_response();
    };
    match function.invoke(payload).await {
        Ok(answer) => answer.into_response(),
        Err(failure) => {
            let told = json!({"errorType": "Unhandled", "errorMessage": failure.to_string()});
            ([("x-amz-function-error", "Unhandled")], told.to_string()).into_response()
        }
    }
}

/// The event of payload format 2.0. The gateway hands every body on in base64 unless its type is text.
fn event(parts: &axum::http::request::Parts, body: &[u8], at: Timestamp) -> Value {
    let path = parts.uri.path();
    let method = parts.method.as_str();
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.insert(name.as_str().to_owned(), Value::String(value));
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "standin",
            "domainName": "standin.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "standin",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": ""
            },
            "requestId": "standin-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Feb/2026:00:00:00 +0000",
            "timeEpoch": at.ms()
        },
        "isBase64Encoded": !body.is_empty()
    });
    if let (false, Some(event)) = (body.is_empty(), event.as_object_mut()) {
        event.insert("body".to_owned(), STANDARD.encode(body).into());
    }
    event
}

fn response(answer: &Bytes) -> Option<axum::response::Response> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let status = answer.get("statusCode")?.as_u64().and_then(|code| u16::try_from(code).ok())?;
    let mut response = Response::builder().status(status);
    for (name, value) in answer.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::try_from(name).ok()?;
        response = response.header(name, HeaderValue::try_from(value.as_str()?).ok()?);
    }
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let body = match answer.get("isBase64Encoded").and_then(Value::as_bool) {
        Some(true) => STANDARD.decode(body).ok()?,
        Some(false) | None => body.as_bytes().to_vec(),
    };
    response.body(Body::from(body)).ok()
}

/// What the gateway itself takes.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
