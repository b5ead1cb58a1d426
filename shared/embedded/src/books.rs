//! What a transaction adds to the ledger, summed up before it is written.

use std::{borrow::Cow, collections::BTreeMap};

use contract::{Code, OrgId};
pub(crate) use domain::books::{
    ACCEPTED, ACCEPTED_FORWARD, COUNTED, DELIVERED, DUPLICATES, FORMED, PARKED, QUARANTINED,
    REJECTED, SUPPRESSED, UNCONFIRMED, UNKNOWN_ORG,
};
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
