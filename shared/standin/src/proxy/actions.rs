//! What a request asks for, in the words of IAM: an action, and the resource it is asked on.

use std::collections::BTreeSet;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Response, http::request::Parts};
use serde_json::{Value, json};

use super::Answer;

/// An action on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// As a policy names it, such as `dynamodb:PutItem`.
    pub name: String,
    /// The table, stream, bucket, bus, secret or key.
    pub resource: String,
}

/// A request.
pub(super) struct Asked {
    /// The operation as the service calls it; empty for buckets.
    pub(super) operation: String,
    pub(super) actions: BTreeSet<Action>,
    pub(super) is_s3: bool,
}

impl Asked {
    pub(super) fn of(parts: &Parts, body: &Bytes) -> Self {
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        match target.and_then(|target| target.rsplit_once('.')) {
            Some((service, operation)) => {
                let body = serde_json::from_slice(body).unwrap_or_default();
                Self {
                    operation: operation.to_owned(),
                    actions: json_actions(prefix(service), operation, &body),
                    is_s3: false,
                }
            }
            None => match connections_action(parts) {
                Some(action) => Self {
                    operation: String::new(),
                    actions: BTreeSet::from([action]),
                    is_s3: false,
                },
                None => Self {
                    operation: String::new(),
                    actions: BTreeSet::from([bucket_action(parts)]),
                    is_s3: true,
                },
            },
        }
    }

    /// The code by which the asked service throttles.
    pub(super) fn throttled(&self) -> &'static str {
        match self.operation.as_str() {
            "PutRecords" | "GetRecords" | "GetShardIterator" => {
                "ProvisionedThroughputExceededException"
            }
            _ => "ThrottlingException",
        }
    }

    /// An error as the asked service words it.
    pub(super) fn error(&self, status: u16, json_code: &str, xml_code: &str) -> Answer {
        let body = if self.is_s3 {
            format!(
                "<?xml version=\"1.0\"?><Error><Code>{xml_code}</Code><Message>a fault was injected</Message></Error>"
            )
        } else {
            json!({"__type": json_code, "message": "a fault was injected"}).to_string()
        };
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
        let mut answer = Response::new(body);
        *answer.status_mut() =
            hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        answer
    }
}

fn prefix(service: &str) -> &'static str {
    match service {
        "DynamoDB_20120810" => "dynamodb",
        "Kinesis_20131202" => "kinesis",
        "AWSEvents" => "events",
        "secretsmanager" => "secretsmanager",
        "TrentService" => "kms",
        _ => "unknown",
    }
}

fn json_actions(prefix: &str, operation: &str, body: &Value) -> BTreeSet<Action> {
    let action = |name: &str, resource: &str| Action {
        name: format!("{prefix}:{name}"),
        resource: resource.to_owned(),
    };
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match operation {
        // A transaction needs what its parts need, each on its own table.
        "TransactWriteItems" => list(body, "TransactItems")
            .filter_map(Value::as_object)
            .flatten()
            .map(|(kind, item)| {
                let name = match kind.as_str() {
                    "Put" => "PutItem",
                    "Update" => "UpdateItem",
                    "Delete" => "DeleteItem",
                    _ => "ConditionCheckItem",
                };
                action(name, &text(item, "TableName"))
            })
            .collect(),
        "TransactGetItems" => list(body, "TransactItems")
            .filter_map(|item| item.get("Get"))
            .map(|item| action("GetItem", &text(item, "TableName")))
            .collect(),
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object);
            tables.into_iter().flatten().map(|(table, _)| action(operation, table)).collect()
        }
        "PutEvents" => list(body, "Entries")
            .map(|entry| action(operation, &text(entry, "EventBusName")))
            .collect(),
        _ => {
            let named =
                ["TableName", "StreamName", "StreamARN", "SecretId", "KeyId", "EventBusName"];
            let found = named.iter().map(|name| text(body, name)).find(|found| !found.is_empty());
            BTreeSet::from([action(operation, &found.unwrap_or_default())])
        }
    }
}

fn list<'a>(body: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    body.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whatever is done with a connection of a WebSocket API.
fn connections_action(parts: &Parts) -> Option<Action> {
    let mut path = parts.uri.path().trim_start_matches('/').split('/');
    let (stage, connections) = (path.next()?, path.next()?);
    ["@connections", "%40connections"].contains(&connections).then(|| Action {
        name: "execute-api:ManageConnections".to_owned(),
        resource: stage.to_owned(),
    })
}

fn bucket_action(parts: &Parts) -> Action {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let name = match (parts.method.as_str(), key.is_empty()) {
        ("GET" | "HEAD", true) => "ListBucket",
        ("GET" | "HEAD", false) => "GetObject",
        ("DELETE", _) => "DeleteObject",
        (_, true) => "CreateBucket",
        (_, false) => "PutObject",
    };
    Action { name: format!("s3:{name}"), resource: bucket.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, body: &Value) -> Vec<String> {
        let (parts, ()) =
            hyper::Request::post("/").header("x-amz-target", target).body(()).unwrap().into_parts();
        let asked = Asked::of(&parts, &Bytes::from(body.to_string()));
        asked.actions.into_iter().map(|a| format!("{} {}", a.name, a.resource)).collect()
    }

    #[test]
    fn a_transaction_asks_for_what_its_parts_do() {
        let body = json!({"TransactItems": [
            {"Put": {"TableName": "a"}}, {"Update": {"TableName": "b"}},
            {"Delete": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}},
        ]});
        assert_eq!(
            asked("DynamoDB_20120810.TransactWriteItems", &body),
            [
                "dynamodb:ConditionCheckItem b",
                "dynamodb:DeleteItem a",
                "dynamodb:PutItem a",
                "dynamodb:UpdateItem b",
            ]
        );
    }

    #[test]
    fn other_requests_name_their_resource() {
        let put = json!({"StreamName": "s", "Records": []});
        assert_eq!(asked("Kinesis_20131202.PutRecords", &put), ["kinesis:PutRecords s"]);
        let write = json!({"RequestItems": {"t": []}});
        assert_eq!(
            asked("DynamoDB_20120810.BatchWriteItem", &write),
            ["dynamodb:BatchWriteItem t"]
        );
        let events = json!({"Entries": [{"EventBusName": "b"}, {"EventBusName": "b"}]});
        assert_eq!(asked("AWSEvents.PutEvents", &events), ["events:PutEvents b"]);
    }
}
