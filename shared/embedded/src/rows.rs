//! Between columns and values.

use contract::{Code, EventId, OrgId, ProductId, Timestamp, staged::StagedEvent};
use ports::delivery::BatchedEvent;
use rusqlite::Row;

use crate::fault::Fault;

/// The columns that [`staged`] reads, in its order.
pub(crate) const STAGED_COLUMNS: &str =
    "org, product, id, body, ck, occurred_at, staged_at, expires_at, rescues";

/// A staging row from [`STAGED_COLUMNS`].
pub(crate) fn staged(row: &Row<'_>) -> Result<StagedEvent, Fault> {
    Ok(StagedEvent {
        org_id: org(row.get(0)?)?,
        product_id: product(row.get(1)?)?,
        event_id: event(row.get(2)?)?,
        body: row.get(3)?,
        ck: row.get(4)?,
        occurred_at: Timestamp::from_ms(row.get(5)?),
        staged_at: Timestamp::from_ms(row.get(6)?),
        expires_at: Timestamp::from_ms(row.get(7)?),
        rescues: row.get(8)?,
    })
}

/// A column's text, not copied.
pub(crate) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Fault> {
    row.get_ref(column)?.as_str().map_err(|_| Fault::Invalid("a stored text is not one"))
}

pub(crate) fn org(text: String) -> Result<OrgId, Fault> {
    OrgId::parse(text).map_err(|_| Fault::Invalid("a stored organisation id is not one"))
}

pub(crate) fn product(text: String) -> Result<ProductId, Fault> {
    ProductId::parse(text).map_err(|_| Fault::Invalid("a stored product id is not one"))
}

pub(crate) fn event(text: String) -> Result<EventId, Fault> {
    EventId::parse(text).map_err(|_| Fault::Invalid("a stored event id is not one"))
}

pub(crate) fn code(text: &str) -> Result<Code, Fault> {
    Code::parse(text).ok_or(Fault::Invalid("a stored code is not one"))
}

pub(crate) fn time(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(Timestamp::from_ms)
}

pub(crate) fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::ms)
}

/// A count for a column; no count of ours reaches the end of the range.
pub(crate) fn int(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The events of a batch in one column.
pub(crate) fn batched_to_text(events: &[BatchedEvent]) -> Result<String, Fault> {
    let pairs: Vec<(&str, &str)> =
        events.iter().map(|event| (event.event_id.as_str(), event.connector_id.as_str())).collect();
    Ok(serde_json::to_string(&pairs)?)
}

pub(crate) fn batched_from_text(text: &str) -> Result<Vec<BatchedEvent>, Fault> {
    serde_json::from_str::<Vec<(String, String)>>(text)?
        .into_iter()
        .map(|(id, connector_id)| Ok(BatchedEvent { event_id: event(id)?, connector_id }))
        .collect()
}
