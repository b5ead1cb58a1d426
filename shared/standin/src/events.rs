//! Invocations as the services of AWS make them, for a function's binary to answer.

use std::collections::BTreeMap;

use aws::resources::{Resource, Resources};
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::{Event, Timestamp, change::ChangeRecord, staged::StagedEvent};
use domain::admit;
use serde_json::{Value, json};

use crate::Corner;

/// An event source mapping's payload: records of one shard, as Lambda hands them over.
#[must_use]
pub fn kinesis(records: impl IntoIterator<Item = Vec<u8>>) -> Value {
    let record = |(number, data): (usize, Vec<u8>)| {
        let sequence = format!("4959033827149025660855969253836157109592157598913658{number:04}");
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": sequence,
                "data": STANDARD.encode(data),
                "approximateArrivalTimestamp": seconds(crate::now())
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000006:{sequence}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/lambda-role",
            "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:000000000000:stream/friction-events"
        })
    };
    let records: Vec<Value> = records.into_iter().enumerate().map(record).collect();
    json!({"Records": records})
}

fn seconds(at: Timestamp) -> Value {
    let ms = at.ms().rem_euclid(1_000);
    let text = format!("{}.{ms:03}", at.ms().div_euclid(1_000));
    serde_json::from_str(&text).unwrap_or_default()
}

/// How a change record tells its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// In ms, and says so.
    Milliseconds,
    /// In µs, and says so.
    Microseconds,
    /// In µs, without saying so, as tables do whose precision nobody set.
    Unsaid,
}

/// The change that a put of `row` makes, as DynamoDB sends it to Kinesis.
#[must_use]
pub fn change(row: &StagedEvent, precision: Precision) -> Vec<u8> {
    let at = crate::now();
    let mut told = serde_json::to_value(ChangeRecord::insert(row, at)).unwrap_or_default();
    if let Some(change) = told.get_mut("dynamodb").and_then(Value::as_object_mut) {
        let (time, name) = match precision {
            Precision::Milliseconds => (at.ms(), Some("MILLISECOND")),
            Precision::Microseconds => (at.ms() * 1_000 + 7, Some("MICROSECOND")),
            Precision::Unsaid => (at.ms() * 1_000 + 7, None),
        };
        change.insert("ApproximateCreationDateTime".to_owned(), time.into());
        match name {
            Some(name) => {
                change.insert("ApproximateCreationDateTimePrecision".to_owned(), name.into())
            }
            None => change.remove("ApproximateCreationDateTimePrecision"),
        };
    }
    told.to_string().into_bytes()
}

/// An event as a door has tokenised it, accepted now: `kind` is its type, `more` are further fields.
///
/// # Panics
/// When it is no event.
#[must_use]
pub fn event(org: &str, id: &str, kind: &str, more: &Value) -> Event {
    let now = crate::now();
    let mut event = json!({
        "eventId": id, "eventType": kind, "occurredAt": now.to_string(), "orgId": org, "productId": "shop",
    });
    if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
        event.extend(more.clone());
    }
    let mut event: Event = match serde_json::from_value(event) {
        Ok(event) => event,
        Err(error) => panic!("no event: {error}"),
    };
    event.ck = Some(admit::ck_text(admit::ck(&event)));
    event.recorded_at = Some(now);
    event
}

/// The staging row of an event.
#[must_use]
pub fn row(event: &Event) -> StagedEvent {
    let at = event.recorded_at.unwrap_or_else(crate::now);
    StagedEvent {
        org_id: event.org_id.clone(),
        product_id: event.product_id.clone(),
        event_id: event.event_id.clone(),
        body: serde_json::to_string(event).unwrap_or_default(),
        ck: admit::ck_of(event),
        occurred_at: event.occurred_at,
        staged_at: at,
        expires_at: at.plus_ms(contract::limits::STAGING_TTL_MS),
        rescues: 0,
    }
}

/// A request as an HTTP API hands it over, payload format 2.0.
#[must_use]
pub fn http(method: &str, path: &str, headers: &[(&str, &str)], body: Body<'_>) -> Value {
    let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
    let (body, encoded) = match body {
        Body::None => (Value::Null, false),
        Body::Text(text) => (text.into(), false),
        Body::Base64(bytes) => (STANDARD.encode(bytes).into(), true),
    };
    json!({
        "version": "2.0",
        "routeKey": format!("ANY {path}"),
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "r3pmxmplak",
            "domainName": "r3pmxmplak.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "r3pmxmplak",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "agent"
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": format!("ANY {path}"),
            "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000",
            "timeEpoch": 1_773_119_783_000_i64
        },
        "body": body,
        "isBase64Encoded": encoded
    })
}

/// A request's body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// Text, as it is.
    Text(&'a str),
    /// Bytes that are no text.
    Base64(&'a [u8]),
}

/// What Lambda and the template would set for a function that uses `resources`, over this corner's stand-ins.
#[must_use]
pub fn environment(corner: &Corner, resources: &Resources) -> BTreeMap<String, String> {
    let named = Resource::ALL.into_iter().filter_map(|resource| {
        Some((resource.variable().to_owned(), resources.name(resource).ok()?.to_owned()))
    });
    let mut environment: BTreeMap<_, _> = named.collect();
    for (name, value) in [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "standin"),
        ("AWS_SECRET_ACCESS_KEY", "standin-secret"),
        ("PROCESSOR_BACKOFF_MS", "0"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    for service in aws::access::Service::ALL {
        if let Some(url) = corner.access().endpoint(service) {
            environment.insert(service.endpoint_variable().to_owned(), url.to_owned());
        }
    }
    environment
}
