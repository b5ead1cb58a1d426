//! The rules of organisations.

use contract::OrgId;
use friction::rules::RuleSet;
use ports::{PortResult, rules::RuleBook};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{Store, fault::Fault, writer::Tx};

impl RuleBook for Store {
    async fn rules(&self, org: &OrgId) -> PortResult<Option<RuleSet>> {
        let org = org.clone();
        self.query("read rules", move |connection: &Connection| find(connection, &org)).await
    }

    async fn put_rules(&self, org: &OrgId, rules: &RuleSet) -> PortResult<bool> {
        let (org, rules) = (org.clone(), rules.clone());
        let job = move |tx: &mut Tx<'_>| {
            let known = find(tx.connection, &org)?.unwrap_or_default();
            if rules.version <= known.version {
                return Ok(false);
            }
            tx.execute(
                "INSERT INTO rules (org, body) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = excluded.body",
                params![org.as_str(), rules.to_json().to_string()],
            )?;
            Ok(true)
        };
        self.write("put rules", 1, job).await
    }
}

fn find(connection: &Connection, org: &OrgId) -> Result<Option<RuleSet>, Fault> {
    let mut select = connection.prepare_cached("SELECT body FROM rules WHERE org = ?1")?;
    let body: Option<String> = select.query_row([org.as_str()], |row| row.get(0)).optional()?;
    let read = |body: String| {
        RuleSet::parse(&body).map_err(|_| Fault::Invalid("stored rules cannot be read"))
    };
    body.map(read).transpose()
}
