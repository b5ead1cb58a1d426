//! The archive, the keys and the backup: what lies beside the database.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use contract::{Timestamp, event::RecordRef};
use domain::{api_key::Scope, pseudonym::Kind};
use embedded::{OpenError, Options, Store};
use flate2::{Compression, write::GzEncoder};
use ports::{
    accounts::Accounts,
    archive::Archive,
    intake::Put,
    keys::{ApiKeyRecord, ApiKeys, PseudonymKeys},
    reference::{Organisations, Reference, Subject},
};

use crate::world::{World, acme, event};

fn files(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![under.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

#[tokio::test]
async fn an_object_is_written_whole_replaced_and_listed_in_order() {
    let world = World::new();
    let keys = ["events/v1/hour=01/b", "events/v1/hour=01/a-1", "events/v1/hour=02/c", "other/x"];
    for key in keys {
        world.store.write(key, b"one").await.unwrap();
    }
    world.store.write(keys[0], b"two").await.unwrap();
    assert_eq!(Archive::read(&world.store, keys[0]).await.unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(Archive::read(&world.store, "events/v1/hour=01/none").await.unwrap(), None);
    assert_eq!(Archive::read(&world.store, "events/v1/hour=01").await.unwrap(), None);
    assert_eq!(Archive::read(&world.store, "other/x/deeper").await.unwrap(), None);
    let list = async |prefix: &str| Archive::list(&world.store, prefix).await.unwrap();
    assert_eq!(list("events/v1/hour=01/").await, [keys[1], keys[0]]);
    assert_eq!(list("events/v1/hour=01/a").await, [keys[1]]);
    assert_eq!(list("ev").await.len(), 3);
    assert_eq!(list("").await.len(), 4);
    assert!(list("nothing/").await.is_empty());
    for file in files(&world.directory.path().join("archive")) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!file.file_name().unwrap().to_string_lossy().starts_with('.'), "left over");
    }
}

#[tokio::test]
async fn no_key_leads_out_of_the_archive() {
    let world = World::new();
    let long = "x".repeat(600);
    for key in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a\0b",
        "a\\b",
        "ä",
        &long,
    ] {
        assert!(!world.store.write(key, b"x").await.unwrap_err().transient, "{key}");
        assert!(Archive::read(&world.store, key).await.is_err(), "{key}");
    }
    assert!(Archive::list(&world.store, "../").await.is_err());
    assert!(Archive::list(&world.store, "../../etc/pass").await.is_err());
    assert!(files(&world.directory.path().join("archive")).is_empty());
}

#[tokio::test]
async fn keys_are_made_once_and_give_the_same_tokens_after_a_restart() {
    let world = World::new();
    assert!(world.store.seal_key().await.is_err(), "no keys yet");
    assert!(world.store.create_keys_if_absent().unwrap());
    assert!(!world.store.create_keys_if_absent().unwrap());
    assert_eq!(world.store.pseudonymiser(&acme()).await.unwrap().map(|_| ()), None);
    world.store.create(&acme()).await.unwrap();
    let token = world.store.pseudonymiser(&acme()).await.unwrap().unwrap().token(Kind::User, "ada");
    let sealed = world.store.seal_key().await.unwrap().seal("c", b"raw");
    let world = world.reopen();
    let again = world.store.pseudonymiser(&acme()).await.unwrap().unwrap().token(Kind::User, "ada");
    assert_eq!(token.as_str(), again.as_str());
    let opened = world.store.seal_key().await.unwrap().open("c", &sealed);
    assert_eq!(opened.as_deref(), Some(&b"raw"[..]));
}

#[test]
fn a_key_file_that_others_may_read_or_that_is_none_is_refused() {
    let world = World::new();
    world.store.create_keys_if_absent().unwrap();
    let path = world.directory.path().join("keys.json");
    let open = || Store::open(world.directory.path(), Options::default());
    assert!(open().is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open(), Err(OpenError::Keys { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for broken in [
        "",
        "{}",
        "null",
        &text.replace("\"1\"", "\"2\""),
        &text.replace("\"sealKey\": \"", "\"sealKey\": \"zz"),
    ] {
        fs::write(&path, broken).unwrap();
        let refused = open().unwrap_err();
        assert!(matches!(refused, OpenError::Keys { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_callers_key_is_kept_replaced_and_listed() {
    let world = World::new();
    let key = ApiKeyRecord {
        key_id: "k1".to_owned(),
        secret_hash: [7; 32],
        orgs: vec![acme(), "b".parse().unwrap()],
        scopes: vec![Scope::Ingest, Scope::Read],
        created_at: world.now(),
        revoked_at: None,
    };
    assert_eq!(world.store.find("k1").await.unwrap(), None);
    world.store.put(&key).await.unwrap();
    assert_eq!(world.store.find("k1").await.unwrap(), Some(key.clone()));
    let revoked = ApiKeyRecord { revoked_at: Some(world.now()), ..key };
    world.store.put(&revoked).await.unwrap();
    assert_eq!(ApiKeys::list(&world.store).await.unwrap(), [revoked]);
}

#[tokio::test]
async fn a_later_assignment_replaces_an_earlier_one_and_not_the_other_way_round() {
    let world = World::new();
    let subject =
        Subject { org: acme(), product: "default".parse().unwrap(), actor: "u1.1.x".to_owned() };
    let assignment = |variant: &str, at| contract::event::Assignment {
        experiment_id: "e".to_owned(),
        variant_id: variant.to_owned(),
        assigned_at: Timestamp::from_ms(at),
        time_since_assignment: None,
    };
    for (variant, at) in [("b", 20), ("a", 10)] {
        world.store.assign(&[(subject.clone(), assignment(variant, at))]).await.unwrap();
    }
    let other = Subject { actor: "u1.1.y".to_owned(), ..subject.clone() };
    let found = world.store.assignments(&[other, subject]).await.unwrap();
    assert_eq!(found, [None, Some(assignment("b", 20))]);
}

#[tokio::test]
async fn a_backup_is_a_store_that_holds_everything_and_overwrites_nothing() {
    let world = World::new();
    world.store.create_keys_if_absent().unwrap();
    world.submit(vec![Put::Stage(world.friction("f.1"))]).await;
    world.store.write("events/v1/a", b"object").await.unwrap();
    let target = tempfile::tempdir().unwrap();
    let report = world.store.backup(target.path()).await.unwrap();
    assert!(report.keys && report.objects == 1 && report.database_bytes > 0);
    assert!(!world.store.backup(target.path()).await.unwrap_err().transient);
    let copy = Store::open(target.path(), Options::default()).unwrap();
    let books = copy.ledger(Some(&acme()), world.now()).await.unwrap();
    assert_eq!(books.orgs, [world.books().await]);
    assert_eq!(Archive::read(&copy, "events/v1/a").await.unwrap().as_deref(), Some(&b"object"[..]));
    for file in files(target.path()) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[tokio::test]
async fn an_event_is_found_in_the_archive_by_its_hour_of_arrival() {
    let world = World::new();
    let row = world.friction("f.1");
    world.submit(vec![Put::Stage(row.clone())]).await;
    let mut archived: contract::Event = serde_json::from_str(&row.body).unwrap();
    let (shard, sequence) = ("s".to_owned(), "1".to_owned());
    archived.record = Some(RecordRef { shard, sequence, arrived_at: world.now() });
    let mut object = GzEncoder::new(Vec::new(), Compression::fast());
    object.write_all(serde_json::to_string(&archived).unwrap().as_bytes()).unwrap();
    let key = format!("{}s-1-1.ndjson.gz", domain::archive::hour_prefix(world.now()));
    world.store.write(&key, &object.finish().unwrap()).await.unwrap();
    let found = world.store.whereabouts(&event("f.1"), None).await.unwrap();
    let last = found[0].stations.last().unwrap();
    assert_eq!((last.station.as_str(), last.detail.as_str()), ("archived", key.as_str()));
}
