//! On the wire between the clients and the stand-ins: every call with what it costs, and how many had to come before it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    bill::{self, Bill, Price},
    gate::Gate,
};

/// An HTTP client that writes down every call.
#[derive(Clone)]
pub(crate) struct Meter {
    under: SharedHttpClient,
    /// Reads items without being metered.
    tables: Client,
    seen: Arc<Mutex<Seen>>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Seen {
    bill: Bill,
    /// Bytes of items, by table and key.
    sizes: BTreeMap<String, usize>,
}

impl Meter {
    /// Meters what `under` sends.
    pub(crate) fn new(under: SharedHttpClient, tables: Client) -> Self {
        Self { under, tables, seen: Arc::default(), gate: Arc::default() }
    }

    /// Runs `work`; what it called, and its answer.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> (Bill, T) {
        let done = self.gate.run(work).await;
        (std::mem::take(&mut self.seen.lock().unwrap().bill), done)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl HttpClient for Meter {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let under = self.under.http_connector(settings, components);
        SharedHttpConnector::new(Wire { under, meter: self.clone() })
    }
}

#[derive(Debug)]
struct Wire {
    under: SharedHttpConnector,
    meter: Meter,
}

impl HttpConnector for Wire {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or(request.method()).to_owned();
        let asked: Value = request
            .body()
            .bytes()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let is_table = target.starts_with("DynamoDB");
        if is_table {
            let mut asked = asked.clone();
            asked["ReturnConsumedCapacity"] = json!("TOTAL");
            let body = asked.to_string();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
        }
        let asking = Gate::ask(&self.meter.gate);
        let (answer, meter) = (self.under.call(request), self.meter.clone());
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let (told, is_done) = read(&mut answer).await?;
            if is_table {
                meter.table_call(&target, &asked, &told, is_done).await;
            }
            meter.seen.lock().unwrap().bill.calls.push((target, asking.round()));
            asking.answer().await;
            Ok(answer)
        })
    }
}

impl Seen {
    /// Bills what was not written as if it had been, which is the most it can cost.
    fn cancelled(&mut self, writes: &[Value]) {
        for write in writes {
            let (_, write) = write.as_object().unwrap().iter().next().unwrap();
            let put = write["Item"].as_object().map(bill::item_bytes);
            let key = &write["Key"];
            let known =
                self.sizes.get(&address(write, key.as_object().map_or(&write["Item"], |_| key)));
            let bytes = put.or(known.copied()).unwrap_or(1);
            self.bill.write("cancelled", bytes, Price::InTransaction);
        }
    }
}

impl Meter {
    async fn table_call(&self, target: &str, asked: &Value, told: &Value, is_done: bool) {
        let operation = target.rsplit('.').next().unwrap();
        match operation {
            "TransactWriteItems" => {
                let writes = asked["TransactItems"].as_array().unwrap();
                if is_done {
                    self.transaction(writes).await;
                    self.state_write(told);
                } else {
                    assert!(
                        told["__type"].as_str().unwrap().ends_with("TransactionCanceledException")
                    );
                    self.seen.lock().unwrap().cancelled(writes);
                }
            }
            "PutItem" => {
                self.write(asked, &asked["Item"], Price::Alone);
                self.state_write(told);
            }
            "Query" | "BatchGetItem" => {
                let mut seen = self.seen.lock().unwrap();
                seen.bill.read_units += bill::read_units(operation, asked, told);
                seen.bill.stated_read_units += bill::stated(told, "ReadCapacityUnits");
            }
            other => panic!("{other} is not metered: {asked}"),
        }
    }

    fn state_write(&self, told: &Value) {
        let stated = bill::stated(told, "WriteCapacityUnits");
        self.seen.lock().unwrap().bill.stated_write_units += stated;
    }

    async fn transaction(&self, writes: &[Value]) {
        let puts = writes.iter().filter_map(|write| write.get("Put"));
        puts.for_each(|put| self.write(put, &put["Item"], Price::InTransaction));
        let updates: Vec<&Value> = writes.iter().filter_map(|write| write.get("Update")).collect();
        let Some(first) = updates.first() else { return };
        let table = first["TableName"].as_str().unwrap();
        let key = |update: &&Value| -> HashMap<String, AttributeValue> {
            let part = |name: &str| {
                AttributeValue::S(update["Key"][name]["S"].as_str().unwrap().to_owned())
            };
            ["partition_key", "sort_key"].map(|name| (name.to_owned(), part(name))).into()
        };
        let keys = updates.iter().map(key).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let get = self.tables.batch_get_item().request_items(table, wanted.build().unwrap());
        let items = get.send().await.unwrap().responses.unwrap().remove(table).unwrap();
        assert_eq!(items.len(), updates.len());
        for item in items {
            let item = item.iter().map(|(name, value)| (name.clone(), plain(value)));
            self.write(first, &Value::Object(item.collect()), Price::InTransaction);
        }
    }

    /// Bills a write by the size of its item before or after, whichever is larger.
    fn write(&self, write: &Value, after: &Value, price: Price) {
        let (partition, sort) = parts(after);
        let bytes = bill::item_bytes(after.as_object().unwrap());
        let what = if partition.starts_with("C#") { sort } else { partition };
        let mut seen = self.seen.lock().unwrap();
        let before = seen.sizes.insert(address(write, after), bytes).unwrap_or(0);
        seen.bill.write(what.split('#').next().unwrap(), before.max(bytes), price);
    }
}

fn address(write: &Value, item: &Value) -> String {
    let (partition, sort) = parts(item);
    format!("{} {partition} {sort}", write["TableName"])
}

/// Both parts of an item's key.
fn parts(item: &Value) -> (&str, &str) {
    let text = |name: &str| item.get(name)?["S"].as_str();
    let partition = text("pk").or_else(|| text("partition_key")).unwrap();
    (partition, text("sk").or_else(|| text("sort_key")).unwrap())
}

pub(crate) async fn read(answer: &mut HttpResponse) -> Result<(Value, bool), ConnectorError> {
    let body = ByteStream::new(answer.take_body()).collect().await;
    let bytes = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let told = serde_json::from_slice(&bytes).unwrap_or_default();
    *answer.body_mut() = SdkBody::from(bytes);
    Ok((told, answer.status().is_success()))
}

/// An attribute as it is on the wire.
fn plain(value: &AttributeValue) -> Value {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no item has others")]
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::L(values) => json!({"L": values.iter().map(plain).collect::<Vec<_>>()}),
        other => panic!("{other:?} is not used"),
    }
}
