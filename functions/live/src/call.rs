//! What invokes the function: the gateway with something of a connection, the bus, or the schedule.
//!
//! The gateway's events are those of a Lambda proxy integration of a WebSocket API
//! (docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-integrations.html,
//! …/apigateway-websocket-api-route-keys-connect-disconnect.html).

use std::collections::BTreeMap;

use contract::{OrgId, projection::ContextUpdated};
use friction::owner::Owner;
use http::{HeaderMap, HeaderName, HeaderValue};
use ports::bus::AnnouncementKind;
use serde::Deserialize;
use serde_json::Value;

/// One invocation.
#[derive(Debug)]
pub enum Call {
    /// Somebody wants to listen.
    Connect(Box<Connect>),
    /// Whoever listens says something.
    Message {
        /// The connection.
        connection: String,
        /// What is said.
        text: String,
    },
    /// A connection is gone.
    Disconnect {
        /// The connection.
        connection: String,
    },
    /// The bus: contexts of this owner's sessions changed.
    Updated(Owner),
    /// The schedule: everybody.
    Tick,
}

/// Somebody who wants to listen.
#[derive(Debug)]
pub struct Connect {
    /// The connection that there will be, once it is granted.
    pub connection: String,
    /// What was sent.
    pub headers: HeaderMap,
    /// Names and values, decoded.
    pub query: Vec<(String, String)>,
}

impl Call {
    /// Reads an invocation's payload. Everything that is neither of the gateway nor of the bus is a tick: a tick too many is
    /// harmless.
    #[must_use]
    pub fn of(payload: &Value) -> Self {
        if let Ok(event) = GatewayEvent::deserialize(payload) {
            return event.call();
        }
        match updated(payload) {
            Some(owner) => Self::Updated(owner),
            None => Self::Tick,
        }
    }
}

fn updated(payload: &Value) -> Option<Owner> {
    let kind = AnnouncementKind::ContextUpdated.as_str();
    if payload.get("detail-type").and_then(Value::as_str) != Some(kind) {
        return None;
    }
    let org = OrgId::parse(payload.pointer("/detail/org")?.as_str()?).ok()?;
    let detail = ContextUpdated::deserialize(payload.pointer("/detail/detail")?).ok()?;
    Some(Owner { org, product: detail.product_id, token: detail.token })
}

/// What the gateway hands over, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatewayEvent {
    request_context: Context,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    query_string_parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    event_type: EventType,
    connection_id: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum EventType {
    Connect,
    Message,
    Disconnect,
}

impl GatewayEvent {
    fn call(self) -> Call {
        let Context { event_type, connection_id: connection } = self.request_context;
        match event_type {
            EventType::Connect => Call::Connect(Box::new(Connect {
                connection,
                headers: headers(pairs(self.multi_value_headers, self.headers)),
                query: pairs(
                    self.multi_value_query_string_parameters,
                    self.query_string_parameters,
                ),
            })),
            EventType::Message => Call::Message { connection, text: self.body.unwrap_or_default() },
            EventType::Disconnect => Call::Disconnect { connection },
        }
    }
}

/// Every value of each name, from where all of them stand, or else from where the last of them does.
fn pairs(
    all: Option<BTreeMap<String, Vec<String>>>,
    last: Option<BTreeMap<String, String>>,
) -> Vec<(String, String)> {
    match all {
        Some(all) => all
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect(),
        None => last.unwrap_or_default().into_iter().collect(),
    }
}

fn headers(pairs: Vec<(String, String)>) -> HeaderMap {
    let read = |(name, value): (String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.into_iter().filter_map(read) {
        headers.append(name, value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the documentation shows it.
    fn connect() -> Value {
        json!({
            "headers": {"Host": "abcd1234.execute-api.eu-central-1.amazonaws.com", "Authorization": "Bearer b"},
            "multiValueHeaders": {"Host": ["abcd1234.execute-api.eu-central-1.amazonaws.com"], "Authorization": ["Bearer a", "Bearer b"]},
            "queryStringParameters": {"session": "s_2"},
            "multiValueQueryStringParameters": {"session": ["s_1", "s_2"]},
            "requestContext": {
                "routeKey": "$connect", "eventType": "CONNECT", "extendedRequestId": "ABCD1234=",
                "requestTime": "09/Feb/2026:18:11:43 +0000", "messageDirection": "IN", "stage": "live",
                "connectedAt": 1_770_660_703_000_i64, "requestTimeEpoch": 1_770_660_703_001_i64,
                "identity": {"sourceIp": "192.0.2.1"}, "requestId": "ABCD1234=",
                "domainName": "abcd1234.execute-api.eu-central-1.amazonaws.com", "connectionId": "AAAA1234=", "apiId": "abcd1234"
            },
            "isBase64Encoded": false
        })
    }

    #[test]
    fn a_connection_brings_every_value_of_each_header_and_parameter() {
        let Call::Connect(connect) = Call::of(&connect()) else { panic!("no connection") };
        assert_eq!(connect.connection, "AAAA1234=");
        let keys: Vec<_> = connect.headers.get_all("authorization").iter().collect();
        assert_eq!(keys, ["Bearer a", "Bearer b"]);
        let own = |value: &str| ("session".to_owned(), value.to_owned());
        assert_eq!(connect.query, [own("s_1"), own("s_2")]);
    }

    #[test]
    fn a_message_and_a_goodbye_name_their_connection() {
        let event = |kind: &str| {
            let mut event = connect();
            event["requestContext"]["eventType"] = kind.into();
            event["body"] = "{}".into();
            event
        };
        assert!(matches!(
            Call::of(&event("MESSAGE")),
            Call::Message { connection, text } if connection == "AAAA1234=" && text == "{}"
        ));
        assert!(matches!(
            Call::of(&event("DISCONNECT")),
            Call::Disconnect { connection } if connection == "AAAA1234="
        ));
    }

    #[test]
    fn the_bus_names_an_owner_and_everything_else_is_a_tick() {
        let told = |kind: &str, detail: Value| {
            json!({"detail-type": kind, "source": "tribometer",
                "detail": {"id": "1", "org": "acme", "at": "2026-02-12T00:00:00Z", "detail": detail}})
        };
        let detail = json!({"productId": "crm", "token": "s1.0.abc"});
        let Call::Updated(owner) = Call::of(&told("session.context_updated", detail.clone()))
        else {
            panic!("nobody")
        };
        assert_eq!((owner.org.as_str(), owner.product.as_str()), ("acme", "crm"));
        assert_eq!(owner.token, "s1.0.abc");
        for tick in [
            told("session.closed", detail),
            told("session.context_updated", json!({"productId": "crm"})),
            json!({"detail-type": "Scheduled Event", "detail": {}}),
            json!({"requestContext": {"eventType": "OTHER", "connectionId": "a="}}),
            json!({}),
            json!(null),
        ] {
            assert!(matches!(Call::of(&tick), Call::Tick), "{tick}");
        }
    }
}
