//! Amounts of an organisation's ledger: in the transaction that causes them, or as an observation on its own.

use std::collections::BTreeMap;

use contract::OrgId;
use ports::PortResult;

use crate::{
    Cloud,
    delivery::ledger_key,
    fault::port_error,
    item::number,
    resources::Resource,
    transaction::{Write, patiently},
};

/// Adds amounts to the organisation's ledger.
pub(crate) fn booking(table: &str, org: &OrgId, amounts: &[(&str, i64)]) -> Write {
    let update = Write::update(table, ledger_key(org), addition(amounts.len()));
    amounts.iter().enumerate().fold(update, |update, (at, (name, amount))| {
        update.name(&format!("#n{at}"), *name).value(&format!(":v{at}"), number(amount))
    })
}

/// `ADD #n0 :v0, #n1 :v1`: a name may have a dot in it.
fn addition(amounts: usize) -> String {
    let pairs: Vec<_> = (0..amounts).map(|at| format!("#n{at} :v{at}")).collect();
    format!("ADD {}", pairs.join(", "))
}

impl Cloud {
    /// Adds one for each observation, outside of the law: that it cannot be written fails nothing.
    pub(crate) async fn observe(&self, observed: impl IntoIterator<Item = (OrgId, String)>) {
        let mut amounts: BTreeMap<OrgId, BTreeMap<String, i64>> = BTreeMap::new();
        for (org, name) in observed {
            *amounts.entry(org).or_default().entry(name).or_default() += 1;
        }
        for (org, amounts) in amounts {
            if let Err(error) = self.add(&org, &amounts).await {
                tracing::warn!(%org, %error, "observations of {org} were not booked: {error}");
            }
        }
    }

    async fn add(&self, org: &OrgId, amounts: &BTreeMap<String, i64>) -> PortResult<()> {
        let mut update = self
            .0
            .dynamodb
            .update_item()
            .table_name(self.resources().name(Resource::Delivery)?)
            .set_key(Some(ledger_key(org)))
            .update_expression(addition(amounts.len()));
        for (at, (name, amount)) in amounts.iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#n{at}"), name)
                .expression_attribute_values(format!(":v{at}"), number(amount));
        }
        let added = patiently(|| update.clone().send()).await;
        added.map_err(|error| port_error("books.observe", error))?;
        Ok(())
    }
}
