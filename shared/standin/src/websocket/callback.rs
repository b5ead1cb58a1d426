//! `@connections`: posting to a connection, asking about it, ending it. Requests are signed; whose signature it is does not
//! matter here.

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{Connections, MESSAGE_BYTES_MAX, Out};

pub(super) async fn answer(connections: &Connections, id: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_signed(&parts.headers) {
        return refused(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        );
    }
    let Some(open) = connections.lock().get(id).cloned() else {
        return refused(StatusCode::GONE, "GoneException", "Gone");
    };
    if parts.method == Method::POST {
        let Ok(body) = to_bytes(body, MESSAGE_BYTES_MAX).await else {
            return refused(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Too large");
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        return match open.out.send(Out::Text(text)).await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(_) => refused(StatusCode::GONE, "GoneException", "Gone"),
        };
    }
    if parts.method == Method::DELETE {
        // Whoever is gone meanwhile is gone.
        drop(open.out.send(Out::HangUp).await);
        return StatusCode::NO_CONTENT.into_response();
    }
    let told = json!({
        "connectedAt": open.connected_at,
        "lastActiveAt": open.active_at,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": ""},
    });
    (StatusCode::OK, told.to_string()).into_response()
}

fn is_signed(headers: &HeaderMap) -> bool {
    let signature = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    signature.is_some_and(|text| {
        text.starts_with("AWS4-HMAC-SHA256 ") && text.contains("/execute-api/aws4_request")
    })
}

fn refused(status: StatusCode, kind: &'static str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind)], json!({ "message": message }).to_string())
        .into_response()
}

/// A part of a path, or of a query, as it was meant.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.split_at_checked(2).filter(|_| *first == b'%');
        let read = escaped.and_then(|(digits, tail)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, tail))
        });
        let (byte, tail) = read.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
