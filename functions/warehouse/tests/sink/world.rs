//! A warehouse as a map: rows by table and key, the one of the greatest version stays.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::Timestamp;
use ports::{
    PortError, PortResult,
    archive::Archive,
    clock::Clock,
    warehouse::{Inserted, Table, Warehouse},
};
use serde_json::{Value, json};
use warehouse::Sink;

pub(crate) const NOW: i64 = 1_770_000_000_000;

/// What the warehouse and the archive hold, and how they fail.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) rows: BTreeMap<(Table, String), Value>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    pub(crate) inserts: usize,
    /// The numbers of the inserts that fail, before and after their effect.
    pub(crate) fails_before: Vec<usize>,
    pub(crate) fails_after: Vec<usize>,
    /// Rows whose JSON holds this text are refused.
    pub(crate) refuses: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World(Arc<Mutex<Held>>);

impl World {
    pub(crate) fn sink(&self) -> Sink<Self, Self, Fixed> {
        Sink::new(self.clone(), self.clone(), Fixed)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// The values of `column` in the rows of a table.
    pub(crate) fn column(&self, table: Table, column: &str) -> Vec<Value> {
        let of_table = |((own, _), row): (&(Table, String), &Value)| {
            (*own == table && row["is_struck"] != 1).then(|| row[column].clone())
        };
        self.change(|held| held.rows.iter().filter_map(of_table).collect())
    }
}

impl Warehouse for World {
    async fn insert(&self, table: Table, rows: &[String]) -> PortResult<Inserted> {
        let mut held = self.0.lock().unwrap();
        held.inserts += 1;
        let number = held.inserts;
        if held.fails_before.contains(&number) {
            return Err(PortError::transient("warehouse.insert", "away"));
        }
        if let Some(refused) = &held.refuses
            && rows.iter().any(|row| row.contains(refused))
        {
            return Ok(Inserted::Refused(27));
        }
        let (ids, version) = match table {
            Table::Events => (&["event_id", "ck"][..], "precedence"),
            Table::Sessions => (&["session_id"][..], "revision"),
            Table::Incidents => (&["incident_id"][..], "precedence"),
        };
        for row in rows {
            let row: Value = serde_json::from_str(row).unwrap();
            let names = ["org_id", "day"].iter().chain(ids);
            let key: Vec<&str> = names.map(|name| row[name].as_str().unwrap()).collect();
            let key = key.join("/");
            let held = held.rows.entry((table, key)).or_insert_with(|| row.clone());
            if row[version].as_u64() >= held[version].as_u64() {
                *held = row;
            }
        }
        if held.fails_after.contains(&number) {
            return Err(PortError::transient("warehouse.insert", "no answer"));
        }
        Ok(Inserted::Stored)
    }
}

impl Archive for World {
    async fn write(&self, key: &str, bytes: &[u8]) -> PortResult<()> {
        self.change(|held| held.objects.insert(key.to_owned(), bytes.to_owned()));
        Ok(())
    }

    async fn read(&self, key: &str) -> PortResult<Option<Vec<u8>>> {
        Ok(self.change(|held| held.objects.get(key).cloned()))
    }

    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        let keys = |held: &mut Held| held.objects.keys().cloned().collect::<Vec<_>>();
        Ok(self.change(keys).into_iter().filter(|key| key.starts_with(prefix)).collect())
    }
}

#[derive(Debug)]
pub(crate) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(NOW)
    }
}

/// An event `at_ms` before now, with `more` fields.
pub(crate) fn event(id: &str, at_ms: i64, more: Value) -> Value {
    let at = Timestamp::from_ms(NOW - at_ms).to_string();
    let mut event = json!({
        "eventId": id, "eventType": "ui.navigation", "occurredAt": at, "orgId": "acme",
        "screen": "/home", "recordedAt": Timestamp::from_ms(NOW).to_string(),
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// The payload of a stream with these records.
pub(crate) fn stream(records: &[Value]) -> String {
    let record = |(at, record): (usize, &Value)| {
        let text = record.as_str().map_or_else(|| record.to_string(), str::to_owned);
        json!({
            "eventSource": "aws:kinesis",
            "eventID": format!("shardId-000000000000:{}", at + 1),
            "kinesis": {
                "sequenceNumber": (at + 1).to_string(),
                "data": STANDARD.encode(text),
                "approximateArrivalTimestamp": NOW / 1_000,
            },
        })
    };
    json!({ "Records": records.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// The payload of a queue with these events of the bus.
pub(crate) fn queue(messages: &[(&str, Value)]) -> String {
    let message = |(at, (kind, detail)): (usize, &(&str, Value))| {
        json!({
            "eventSource": "aws:sqs",
            "messageId": format!("m{at}"),
            "body": json!({
                "version": "0", "id": "e", "source": "tribometer", "detail-type": kind,
                "detail": { "id": "n", "org": "acme", "at": "2026-01-01T00:00:00.000Z", "detail": detail },
            }).to_string(),
        })
    };
    json!({ "Records": messages.iter().enumerate().map(message).collect::<Vec<_>>() }).to_string()
}
