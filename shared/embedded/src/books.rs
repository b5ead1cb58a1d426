//! What a transaction adds to the ledger, summed up before it is written.

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Code, OrgId};
use rusqlite::{Connection, params};

use crate::fault::Fault;

/// Amounts by organisation and name; an organisation that could not be read is [`UNKNOWN_ORG`].
#[derive(Debug, Default)]
pub(crate) struct Books(BTreeMap<String, BTreeMap<Cow<'static, str>, i64>>);

impl Books {
    pub(crate) fn add(&mut self, org: &OrgId, name: &'static str, amount: i64) {
        self.book(org.as_str(), name.into(), amount);
    }

    pub(crate) fn add_code(&mut self, org: Option<&OrgId>, name: &str, code: Code, amount: i64) {
        let org = org.map_or(UNKNOWN_ORG, OrgId::as_str);
        self.book(org, format!("{name}.{code}").into(), amount);
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        for (org, amounts) in other.0 {
            let own = self.0.entry(org).or_default();
            for (name, amount) in amounts {
                *own.entry(name).or_default() += amount;
            }
        }
    }

    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Fault> {
        let mut add = connection.prepare_cached(
            "INSERT INTO ledger VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        )?;
        for (org, amounts) in &self.0 {
            for (name, amount) in amounts.iter().filter(|(_, amount)| **amount != 0) {
                add.execute(params![org, name, amount])?;
            }
        }
        Ok(())
    }

    fn book(&mut self, org: &str, name: Cow<'static, str>, amount: i64) {
        if let Some(amounts) = self.0.get_mut(org) {
            *amounts.entry(name).or_default() += amount;
        } else {
            self.0.insert(org.to_owned(), BTreeMap::from([(name, amount)]));
        }
    }
}

/// Stands for the organisation of records that did not tell it; no organisation's name has a tilde.
pub(crate) const UNKNOWN_ORG: &str = "~unknown";

/// Events made durable, each once.
pub(crate) const ACCEPTED: &str = "accepted";
/// Those of them on their way to the connector.
pub(crate) const ACCEPTED_FORWARD: &str = "acceptedForward";
/// Those of them that ended without being forwarded.
pub(crate) const COUNTED: &str = "counted";
/// Sent again and recognised.
pub(crate) const DUPLICATES: &str = "duplicates";
/// Not kept or not forwarded for want of consent.
pub(crate) const SUPPRESSED: &str = "suppressed";
/// Moved into batches.
pub(crate) const FORMED: &str = "formed";
/// Taken by the connector.
pub(crate) const DELIVERED: &str = "delivered";
/// Taken without the connector saying so per event.
pub(crate) const UNCONFIRMED: &str = "unconfirmed";
/// Never taken by the connector.
pub(crate) const PARKED: &str = "parked";
/// Refused at a door; followed by a dot and the code.
pub(crate) const REJECTED: &str = "rejected";
/// Set aside; followed by a dot and the reason.
pub(crate) const QUARANTINED: &str = "quarantined";
/// Erased on request.
pub(crate) const ERASED: &str = "erased";
/// Those of them that were on their way to the connector.
pub(crate) const ERASED_FORWARD: &str = "erasedForward";
