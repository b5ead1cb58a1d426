//! What the gateway hands to a function, as a Lambda proxy integration does.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::http::request::Parts;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::Timestamp;
use serde_json::{Value, json};

use super::{STAGE, callback::decoded};

/// A name that no connection had.
pub(super) fn connection_id() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id().to_be_bytes();
    // 11 bytes, as the service's names have: in base64 they end with one `=`.
    let bytes: Vec<u8> = process.into_iter().skip(1).chain(number).collect();
    STANDARD.encode(bytes).replace('/', "_").replace('+', "-")
}

pub(super) fn connect(parts: &Parts, id: &str, at: Timestamp) -> Value {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(canonical(name.as_str())).or_default().push(value);
    }
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = parts.uri.query().unwrap_or_default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.entry(decoded(name)).or_default().push(decoded(value));
    }
    let mut event = base("$connect", "CONNECT", id, at);
    if let Some(members) = event.as_object_mut() {
        members.insert("headers".to_owned(), last(&headers));
        members.insert("multiValueHeaders".to_owned(), json!(headers));
        // Without a query there are no such members.
        if !query.is_empty() {
            members.insert("queryStringParameters".to_owned(), last(&query));
            members.insert("multiValueQueryStringParameters".to_owned(), json!(query));
        }
    }
    event
}

pub(super) fn message(_: &Parts, id: &str, since: Timestamp, text: &str) -> Value {
    let mut event = base("$default", "MESSAGE", id, since);
    if let Some(context) = event.get_mut("requestContext").and_then(Value::as_object_mut) {
        context.insert("messageId".to_owned(), "standin-message=".into());
    }
    if let Some(members) = event.as_object_mut() {
        members.insert("body".to_owned(), text.into());
    }
    event
}

pub(super) fn disconnect(_: &Parts, id: &str, since: Timestamp, code: u16) -> Value {
    let mut event = base("$disconnect", "DISCONNECT", id, since);
    if let Some(context) = event.get_mut("requestContext").and_then(Value::as_object_mut) {
        context.insert("disconnectStatusCode".to_owned(), code.into());
        context.insert("disconnectReason".to_owned(), "".into());
    }
    let headers = BTreeMap::from([
        ("Host".to_owned(), vec![DOMAIN.to_owned()]),
        ("x-api-key".to_owned(), vec![String::new()]),
        ("X-Forwarded-For".to_owned(), vec![String::new()]),
        ("x-restapi".to_owned(), vec![String::new()]),
    ]);
    if let Some(members) = event.as_object_mut() {
        members.insert("headers".to_owned(), last(&headers));
        members.insert("multiValueHeaders".to_owned(), json!(headers));
    }
    event
}

fn base(route: &str, kind: &str, id: &str, since: Timestamp) -> Value {
    json!({
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": "standin-request=",
            "requestTime": "12/Feb/2026:00:00:00 +0000",
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": since.ms(),
            "requestTimeEpoch": crate::now().ms(),
            "identity": {"sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": "standin-request",
            "domainName": DOMAIN,
            "connectionId": id,
            "apiId": "standin"
        },
        "isBase64Encoded": false
    })
}

fn last(all: &BTreeMap<String, Vec<String>>) -> Value {
    all.iter().map(|(name, values)| (name.clone(), values.last().cloned())).collect()
}

/// As clients write a header's name, which the gateway hands on as it came.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

const DOMAIN: &str = "standin.execute-api.eu-central-1.amazonaws.com";
