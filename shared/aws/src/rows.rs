//! Staging rows as items: the attributes of [`change::image`] under a key made of organisation and id.

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{
    EventId, OrgId,
    change::{self, Attribute, Image},
    staged::StagedEvent,
};
use domain::placement;

use crate::item::{self, Item, number, text};

/// Where a row lies.
pub(crate) fn key(org: &OrgId, id: &EventId) -> Item {
    item::key(placement::staging(org, id), id.as_str())
}

/// A row as it is put.
pub(crate) fn item(row: &StagedEvent) -> Item {
    let mut item = key(&row.org_id, &row.event_id);
    for (name, value) in change::image(row) {
        let value = match value {
            Attribute::S(value) => text(value),
            Attribute::N(value) => number(value),
            Attribute::B(_)
            | Attribute::BOOL(_)
            | Attribute::NULL(_)
            | Attribute::L(_)
            | Attribute::M(_)
            | Attribute::SS(_)
            | Attribute::NS(_)
            | Attribute::BS(_) => unreachable!("a staging row has texts and numbers only"),
        };
        item.insert(name.into_owned(), value);
    }
    item
}

/// Reads a row; nothing when an attribute is missing or of another type, or when it lies under another key than its own:
/// under that key nobody could take it out of staging.
pub(crate) fn row(item: &Item) -> Option<StagedEvent> {
    let attribute = |value: &AttributeValue| {
        let text = value.as_s().ok().map(|value| Attribute::S(value.clone().into()));
        text.or_else(|| Some(Attribute::N(value.as_n().ok()?.clone().into())))
    };
    let image: Image<'_> = item
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().into(), attribute(value)?)))
        .collect();
    let lies_here = |row: &StagedEvent| {
        key(&row.org_id, &row.event_id).iter().all(|(name, value)| item.get(name) == Some(value))
    };
    change::row(&image).filter(lies_here)
}

#[cfg(test)]
mod tests {
    use contract::{ProductId, Timestamp};

    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_put_and_not_at_all_elsewhere_or_without_its_body() {
        let row = StagedEvent {
            org_id: OrgId::parse("acme").unwrap(),
            product_id: ProductId::default(),
            event_id: EventId::parse("e.1").unwrap(),
            body: r#"{"a":"ü\n"}"#.to_owned(),
            ck: u32::MAX,
            occurred_at: Timestamp::from_ms(5),
            staged_at: Timestamp::from_ms(6),
            expires_at: Timestamp::from_ms(86_400_000),
            rescues: 3,
        };
        let mut item = item(&row);
        assert_eq!(super::row(&item), Some(row));
        for name in ["pk", "sk"] {
            let mut elsewhere = item.clone();
            elsewhere.insert(name.to_owned(), text("elsewhere"));
            assert_eq!(super::row(&elsewhere), None, "{name}");
        }
        item.remove("body");
        assert_eq!(super::row(&item), None);
    }
}
