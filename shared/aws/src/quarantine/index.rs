//! The items by which records that were set aside are found: by organisation, by the time of arrival.

use std::collections::BTreeMap;

use contract::{Code, EventId, OrgId, Timestamp, limits::QUARANTINE_TTL_MS};
use domain::books::UNKNOWN_ORG;
use ports::{
    PortResult,
    archive::Quarantined,
    clock::{Clock as _, SystemClock},
};

use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, flag, item, key, malformed, millis, number, text, ttl},
    resources::Resource,
    transaction::Write,
};

/// A record without its bytes.
#[derive(Debug, Clone)]
pub(super) struct Row {
    record: Quarantined,
    held_at: Timestamp,
}

impl Row {
    pub(super) fn new(record: &Quarantined, now: Timestamp) -> Self {
        // Field by field: the bytes are not copied.
        let Quarantined {
            shard, sequence, arrived_at, reason, path, org, event_id, terminal, ..
        } = record;
        let record = Quarantined {
            shard: shard.clone(),
            sequence: sequence.clone(),
            arrived_at: *arrived_at,
            reason: *reason,
            path: path.clone(),
            org: org.clone(),
            event_id: event_id.clone(),
            terminal: *terminal,
            sealed: Vec::new(),
        };
        Self { record, held_at: now }
    }

    pub(super) fn org(&self) -> Option<&OrgId> {
        self.record.org.as_ref()
    }

    pub(super) fn reason(&self) -> Code {
        self.record.reason
    }

    pub(super) fn record(&self) -> &Quarantined {
        &self.record
    }

    pub(super) fn into_record(self) -> Quarantined {
        self.record
    }

    /// Partition and sort key.
    pub(super) fn key(&self) -> (String, String) {
        place(&self.record)
    }

    /// Holds it, unless it is held.
    pub(super) fn write(&self, table: &str) -> Write {
        let Quarantined { shard, sequence, arrived_at, reason, path, event_id, terminal, .. } =
            &self.record;
        let mut row = item([
            ("shard", text(shard)),
            ("sequence", text(sequence)),
            ("arrivedAt", millis(*arrived_at)),
            ("reason", text(reason.as_str())),
            ("terminal", flag(*terminal)),
            ("heldAt", millis(self.held_at)),
            ("ttl", ttl(self.held_at.plus_ms(QUARANTINE_TTL_MS))),
        ]);
        row.extend(path.as_ref().map(|path| ("path".to_owned(), text(path))));
        row.extend(event_id.as_ref().map(|id| ("eventId".to_owned(), text(id.as_str()))));
        row.extend(item_key(&self.record));
        Write::put(table, row).when("attribute_not_exists(sk)")
    }

    /// Holds it no longer, if it is held.
    pub(super) fn removal(&self, table: &str) -> Write {
        Write::delete(table, item_key(&self.record)).when("attribute_exists(sk)")
    }

    fn read(org: Option<&OrgId>, item: &Item) -> PortResult<Self> {
        let reason = Code::parse(item.text("reason")?).ok_or_else(|| malformed("reason"))?;
        let event_id = item.text_if("eventId")?.map(str::parse).transpose();
        let record = Quarantined {
            shard: item.text("shard")?.to_owned(),
            sequence: item.text("sequence")?.to_owned(),
            arrived_at: item.millis("arrivedAt")?,
            reason,
            path: item.text_if("path")?.map(str::to_owned),
            org: org.cloned(),
            event_id: event_id.map_err(|_| malformed("eventId"))?,
            terminal: item.flag("terminal")?,
            sealed: Vec::new(),
        };
        Ok(Self { record, held_at: item.millis("heldAt")? })
    }
}

impl Cloud {
    /// What is held of an organisation's records that arrived in `[from, to)`, oldest first.
    pub(super) async fn rows_held(
        &self,
        operation: &'static str,
        org: Option<&OrgId>,
        from: Timestamp,
        to: Timestamp,
    ) -> PortResult<Vec<Row>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Dedupe)?)
            .consistent_read(true)
            // What TTL has not removed yet is gone all the same.
            .key_condition_expression("pk = :org AND sk BETWEEN :from AND :to")
            .filter_expression("#ttl > :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(SystemClock.now().ms().div_euclid(1_000)))
            .expression_attribute_values(":org", text(partition(org)))
            .expression_attribute_values(":from", text(moment(from)))
            // A key goes on after its moment, so that this lies below every key of that moment.
            .expression_attribute_values(":to", text(moment(to)))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = pages.next().await {
            rows.push(Row::read(org, &item.map_err(|error| port_error(operation, error))?)?);
        }
        Ok(rows)
    }

    /// When records of an event were set aside, each with why and where the stream carried it.
    pub(crate) async fn held_under(
        &self,
        org: &OrgId,
        id: &EventId,
    ) -> PortResult<Vec<(Timestamp, String)>> {
        let mut pages = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Dedupe)?)
            .consistent_read(true)
            .key_condition_expression("pk = :org")
            .filter_expression("eventId = :id")
            .expression_attribute_values(":org", text(partition(Some(org))))
            .expression_attribute_values(":id", text(id.as_str()))
            .into_paginator()
            .items()
            .send();
        let mut held = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| port_error("accounts.whereabouts", error))?;
            let Row { record, held_at } = Row::read(Some(org), &item)?;
            held.push((held_at, format!("{} {}:{}", record.reason, record.shard, record.sequence)));
        }
        Ok(held)
    }

    /// The record, if it is held.
    pub(super) async fn row_held(
        &self,
        operation: &'static str,
        record: &Quarantined,
    ) -> PortResult<Option<Row>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Dedupe)?);
        let answer = get.set_key(Some(item_key(record))).send().await;
        let answer = answer.map_err(|error| port_error(operation, error))?;
        answer.item.map(|item| Row::read(record.org.as_ref(), &item)).transpose()
    }
}

/// The key of a record's bytes.
pub(super) fn object_key(record: &Quarantined) -> String {
    let Quarantined { shard, sequence, arrived_at, .. } = record;
    let (year, month, day, _) = arrived_at.partition();
    format!("quarantine/dt={year:04}-{month:02}-{day:02}/{shard}-{sequence}")
}

/// Adds amounts to the ledger of an organisation, or of those that did not tell theirs.
pub(super) fn booking(table: &str, org: Option<&OrgId>, amounts: &BTreeMap<String, i64>) -> Write {
    let pairs: Vec<_> = (0..amounts.len()).map(|at| format!("#n{at} :v{at}")).collect();
    let ledger = key(format!("D#{}", name(org)), "LEDGER");
    let update = Write::update(table, ledger, format!("ADD {}", pairs.join(", ")));
    amounts.iter().enumerate().fold(update, |update, (at, (name, amount))| {
        update.name(&format!("#n{at}"), name).value(&format!(":v{at}"), number(amount))
    })
}

pub(super) fn name(org: Option<&OrgId>) -> &str {
    org.map_or(UNKNOWN_ORG, OrgId::as_str)
}

fn partition(org: Option<&OrgId>) -> String {
    format!("Q#{}", name(org))
}

fn place(record: &Quarantined) -> (String, String) {
    let Quarantined { shard, sequence, arrived_at, org, .. } = record;
    (partition(org.as_ref()), format!("{}#{shard}#{sequence}", moment(*arrived_at)))
}

fn item_key(record: &Quarantined) -> Item {
    let (pk, sk) = place(record);
    key(pk, sk)
}

/// A time as it orders in a key.
fn moment(at: Timestamp) -> String {
    format!("{:013}", at.ms().clamp(0, MOMENT_MAX))
}

/// The last one of thirteen digits, in the year 2286.
const MOMENT_MAX: i64 = 9_999_999_999_999;
