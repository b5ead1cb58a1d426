//! `tribo keys`: callers' keys. A secret is shown once and kept as a hash.

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};
use contract::{
    OrgId, Timestamp,
    command::{CreatedKey, ListedKey},
};
use domain::api_key::{ApiKey, Scope};
use ports::{
    clock::{Clock as _, SystemClock},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
};
use serde_json::json;

use crate::{cli::KeysCommand, open::at, output, remote::Server};

/// Runs the subcommand.
pub(crate) async fn run(command: KeysCommand) -> anyhow::Result<u8> {
    match command {
        KeysCommand::Create { place, org, scope } => {
            let scopes: Vec<Scope> = BTreeSet::from_iter(scope).into_iter().collect();
            let now = SystemClock.now();
            let created = at!(place.place.or_create()?, world => {
                create(&world, &org, &scopes, now).await?
            });
            if place.json {
                output::json(&created)?;
            } else {
                output::note("This key is shown once:");
                output::line(&created.key)?;
            }
        }
        KeysCommand::List { store } => {
            let keys: Vec<ListedKey> = match Server::named(&store)? {
                Some(server) => server.get("/v1/keys", &[]).await?,
                None => {
                    at!(store.place.existing()?, world => listed(&ApiKeys::list(&world).await?))
                }
            };
            if store.json {
                output::json(&json!({ "keys": keys }))?;
            } else {
                output::line(table(&keys).trim_end())?;
            }
        }
        KeysCommand::Revoke { key_id, place } => {
            let revoked_at = at!(place.place.existing()?, world => revoke(&world, &key_id).await?);
            if place.json {
                output::json(&json!({ "keyId": key_id, "revokedAt": revoked_at }))?;
            } else {
                output::line(&format!("{key_id} is invalid since {revoked_at}"))?;
            }
        }
    }
    Ok(0)
}

async fn revoke<W: ApiKeys>(world: &W, key_id: &str) -> anyhow::Result<Timestamp> {
    let Some(mut record) = world.find(key_id).await? else {
        bail!("no key {key_id}; `tribo keys list` shows them");
    };
    let revoked_at = *record.revoked_at.get_or_insert(SystemClock.now());
    world.put(&record).await?;
    Ok(revoked_at)
}

/// Makes a key for `org`, and the organisation when it does not exist.
pub(crate) async fn create<W: ApiKeys + Organisations>(
    world: &W,
    org: &OrgId,
    scopes: &[Scope],
    now: Timestamp,
) -> anyhow::Result<CreatedKey> {
    let mut id = [0_u8; 16];
    let mut secret = [0_u8; 32];
    for bytes in [&mut id[..], &mut secret[..]] {
        getrandom::fill(bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
    }
    let key = ApiKey::new(id, secret);
    Organisations::create(world, org).await?;
    let record = ApiKeyRecord::of(&key, vec![org.clone()], scopes, now);
    ApiKeys::put(world, &record).await?;
    Ok(CreatedKey {
        key_id: record.key_id,
        key: key.reveal(),
        org: org.to_string(),
        scopes: words(scopes),
    })
}

/// Keys as they are listed.
pub(crate) fn listed(records: &[ApiKeyRecord]) -> Vec<ListedKey> {
    let one = |record: &ApiKeyRecord| ListedKey {
        key_id: record.key_id.clone(),
        org: record.orgs.iter().map(OrgId::as_str).collect::<Vec<_>>().join(","),
        scopes: words(&record.scopes),
        created_at: record.created_at,
        revoked_at: record.revoked_at,
    };
    records.iter().map(one).collect()
}

fn words(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.as_str().to_owned()).collect()
}

fn table(keys: &[ListedKey]) -> String {
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let state =
                key.revoked_at.map_or_else(|| "valid".to_owned(), |at| format!("revoked {at}"));
            vec![
                key.key_id.clone(),
                key.org.clone(),
                key.scopes.join(","),
                key.created_at.to_string(),
                state,
            ]
        })
        .collect();
    output::table(&["key", "organisation", "scopes", "created", "state"], &rows)
}
