//! A DynamoDB change as Kinesis carries it: one JSON document per change of the staging table.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{EventId, OrgId, ProductId, Timestamp, staged::StagedEvent};

/// One change of the staging table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRecord<'a> {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    #[serde(borrow)]
    pub event_name: Cow<'a, str>,
    /// Identity of the change, not of the event.
    #[serde(rename = "eventID", default)]
    pub event_id: Cow<'a, str>,
    /// The table.
    #[serde(default)]
    pub table_name: Cow<'a, str>,
    /// Who made the change, when it was not a client.
    #[serde(default)]
    pub user_identity: Option<UserIdentity<'a>>,
    /// What changed.
    pub dynamodb: Change<'a>,
    /// `aws:dynamodb`.
    #[serde(default)]
    pub event_source: Cow<'a, str>,
}

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity<'a> {
    /// `Service` for TTL.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// `dynamodb.amazonaws.com` for TTL.
    pub principal_id: Cow<'a, str>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change<'a> {
    /// Seconds, milliseconds or microseconds: see [`Change::created_at`].
    #[serde(default)]
    pub approximate_creation_date_time: Option<f64>,
    /// `MILLISECOND` or `MICROSECOND`, when the table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approximate_creation_date_time_precision: Option<Cow<'a, str>>,
    /// The item after the change.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub new_image: Option<Image<'a>>,
    /// The item before the change.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub old_image: Option<Image<'a>>,
}

/// An item's attributes by name.
pub type Image<'a> = BTreeMap<Cow<'a, str>, Attribute<'a>>;

/// A typed attribute value; the types that a staging row does not use are kept unread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Attribute<'a> {
    /// Text.
    S(#[serde(borrow)] Cow<'a, str>),
    /// A number, as decimal text.
    N(#[serde(borrow)] Cow<'a, str>),
    /// Binary, base64.
    B(serde_json::Value),
    /// Boolean.
    BOOL(bool),
    /// Null.
    NULL(bool),
    /// List.
    L(serde_json::Value),
    /// Map.
    M(serde_json::Value),
    /// Set of texts.
    SS(serde_json::Value),
    /// Set of numbers.
    NS(serde_json::Value),
    /// Set of binaries.
    BS(serde_json::Value),
}

impl ChangeRecord<'_> {
    /// True when TTL removed the item: the event was not taken over by any batch.
    #[must_use]
    pub fn is_ttl_removal(&self) -> bool {
        self.event_name == "REMOVE"
            && self.user_identity.as_ref().is_some_and(|who| {
                who.kind == "Service" && who.principal_id == "dynamodb.amazonaws.com"
            })
    }
}

impl Change<'_> {
    /// When the change was made: by the stated precision, else by magnitude (below 1e11 seconds, below 1e14 ms).
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        let value = self.approximate_creation_date_time?;
        let ms = match self.approximate_creation_date_time_precision.as_deref() {
            Some("MICROSECOND") => value / 1_000.0,
            Some("MILLISECOND") => value,
            _ if value < 1e11 => value * 1_000.0,
            _ if value < 1e14 => value,
            _ => value / 1_000.0,
        };
        #[expect(
            clippy::as_conversions,
            reason = "a float-to-integer cast saturates; Timestamp clamps the rest"
        )]
        let ms = ms.floor() as i64;
        Some(Timestamp::from_ms(ms))
    }
}

impl<'a> ChangeRecord<'a> {
    /// The change that a put of `row` makes.
    #[must_use]
    pub fn insert(row: &'a StagedEvent, at: Timestamp) -> Self {
        Self::of("INSERT", None, at, Some(image(row)), None)
    }

    /// The change that TTL makes when it removes `row`.
    #[must_use]
    pub fn ttl_removal(row: &'a StagedEvent, at: Timestamp) -> Self {
        let service =
            UserIdentity { kind: "Service".into(), principal_id: "dynamodb.amazonaws.com".into() };
        Self::of("REMOVE", Some(service), at, None, Some(image(row)))
    }

    /// The change that the batcher makes when it takes `row` into a batch.
    #[must_use]
    pub fn removal(row: &'a StagedEvent, at: Timestamp) -> Self {
        Self::of("REMOVE", None, at, None, Some(image(row)))
    }

    fn of(
        name: &'static str,
        user_identity: Option<UserIdentity<'a>>,
        at: Timestamp,
        new_image: Option<Image<'a>>,
        old_image: Option<Image<'a>>,
    ) -> Self {
        #[expect(
            clippy::as_conversions,
            reason = "every four-digit year fits 53 bits of milliseconds"
        )]
        let created = at.ms() as f64;
        Self {
            event_name: name.into(),
            event_id: Cow::default(),
            table_name: STAGING_TABLE.into(),
            user_identity,
            dynamodb: Change {
                approximate_creation_date_time: Some(created),
                approximate_creation_date_time_precision: Some("MILLISECOND".into()),
                new_image,
                old_image,
            },
            event_source: "aws:dynamodb".into(),
        }
    }
}

/// The attributes of a staging row.
#[must_use]
pub fn image(row: &StagedEvent) -> Image<'_> {
    let number = |value: i64| Attribute::N(value.to_string().into());
    BTreeMap::from([
        ("orgId".into(), Attribute::S(row.org_id.as_str().into())),
        ("productId".into(), Attribute::S(row.product_id.as_str().into())),
        ("eventId".into(), Attribute::S(row.event_id.as_str().into())),
        ("body".into(), Attribute::S(row.body.as_str().into())),
        ("ck".into(), number(row.ck.into())),
        ("occurredAt".into(), number(row.occurred_at.ms())),
        ("stagedAt".into(), number(row.staged_at.ms())),
        // TTL attributes are seconds since the epoch.
        ("ttl".into(), number(row.expires_at.ms().div_euclid(1_000))),
        ("rescues".into(), number(row.rescues.into())),
    ])
}

/// The staging row that an image shows; nothing when an attribute is missing or of another type.
#[must_use]
pub fn row(image: &Image<'_>) -> Option<StagedEvent> {
    let text = |name: &str| match image.get(name) {
        Some(Attribute::S(text)) => Some(text.as_ref()),
        Some(_) | None => None,
    };
    let number = |name: &str| match image.get(name) {
        Some(Attribute::N(text)) => text.parse::<i64>().ok(),
        Some(_) | None => None,
    };
    Some(StagedEvent {
        org_id: OrgId::parse(text("orgId")?).ok()?,
        product_id: ProductId::parse(text("productId")?).ok()?,
        event_id: EventId::parse(text("eventId")?).ok()?,
        body: text("body")?.to_owned(),
        ck: u32::try_from(number("ck")?).ok()?,
        occurred_at: Timestamp::from_ms(number("occurredAt")?),
        staged_at: Timestamp::from_ms(number("stagedAt")?),
        expires_at: Timestamp::from_ms(number("ttl")?.checked_mul(1_000)?),
        rescues: number("rescues").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
    })
}

/// The staging table's name.
pub const STAGING_TABLE: &str = "eu-friction-events";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_is_read_from_seconds_ms_and_us_with_and_without_precision() {
        let read = |json: &str| {
            serde_json::from_str::<Change<'_>>(json).unwrap().created_at().unwrap().ms()
        };
        assert_eq!(read(r#"{"ApproximateCreationDateTime":1700000000}"#), 1_700_000_000_000);
        assert_eq!(read(r#"{"ApproximateCreationDateTime":1700000000123}"#), 1_700_000_000_123);
        assert_eq!(read(r#"{"ApproximateCreationDateTime":1700000000123456}"#), 1_700_000_000_123);
        assert_eq!(
            read(
                r#"{"ApproximateCreationDateTime":1700000000123456,"ApproximateCreationDateTimePrecision":"MICROSECOND"}"#
            ),
            1_700_000_000_123
        );
        assert_eq!(
            read(
                r#"{"ApproximateCreationDateTime":1700000000123,"ApproximateCreationDateTimePrecision":"MILLISECOND"}"#
            ),
            1_700_000_000_123
        );
    }

    #[test]
    fn a_row_survives_its_image() {
        let event = StagedEvent {
            org_id: "acme".parse().unwrap(),
            product_id: ProductId::default(),
            event_id: "e.1".parse().unwrap(),
            body: r#"{"a":"ü\n"}"#.to_owned(),
            ck: u32::MAX,
            occurred_at: Timestamp::from_ms(5),
            staged_at: Timestamp::from_ms(6),
            expires_at: Timestamp::from_ms(86_400_000),
            rescues: 3,
        };
        let json = serde_json::to_string(&ChangeRecord::ttl_removal(&event, Timestamp::from_ms(9)))
            .unwrap();
        let read: ChangeRecord<'_> = serde_json::from_str(&json).unwrap();
        assert!(read.is_ttl_removal());
        assert_eq!(row(read.dynamodb.old_image.as_ref().unwrap()), Some(event));
    }
}
