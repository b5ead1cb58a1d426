//! What was answered stays, whatever happens to the process, the disk or the file.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use contract::{Timestamp, staged::StagedEvent};
use embedded::{DATABASE, OpenError, Options, Store};
use ports::{
    accounts::Accounts,
    intake::{Intake, Put},
    reference::Organisations,
    staging::Staging,
    stream::{EventStream, StreamRecord, StreamSource},
};
use rusqlite::Connection;

use crate::world::{World, acme, plain};

fn copy_as_a_crash_leaves_it(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The shared memory is lost with the machine.
        if entry.file_type().unwrap().is_file() && !entry.path().to_string_lossy().ends_with("-shm")
        {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let world = World::new();
    let puts: Vec<_> = (0..200).map(|n| plain(&format!("u.{n}"), n)).collect();
    world.submit(puts).await;
    let crashed = tempfile::tempdir().unwrap();
    copy_as_a_crash_leaves_it(world.directory.path(), crashed.path());
    let store = Store::open(crashed.path(), Options::default()).unwrap();
    let report = store.ledger(Some(&acme()), world.now()).await.unwrap();
    assert_eq!((report.orgs[0].accepted, report.stream_lag), (200, 200));
}

#[tokio::test]
async fn a_closed_store_opens_again_with_everything_in_it() {
    let world = World::new();
    world.submit(vec![Put::Stage(world.friction("f.1")), plain("u.1", 1)]).await;
    let before = world.books().await;
    let world = world.reopen();
    assert_eq!(world.books().await, before);
    assert_eq!(world.records().await.len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_a_passing_failure_and_takes_nothing() {
    let world = World::with(|options| Options { bytes_max: Some(512 * 1024), ..options });
    let template = world.friction("f");
    let large = |id: &str| StagedEvent {
        event_id: id.parse().unwrap(),
        body: format!(r#"{{"context":"{}"}}"#, "x".repeat(16_000)),
        ..template.clone()
    };
    let mut taken = 0;
    let failure = loop {
        match world
            .store
            .submit(world.submission(vec![Put::Stage(large(&format!("f.{taken}")))]))
            .await
        {
            Ok(_) => taken += 1,
            Err(failure) => break failure,
        }
        assert!(taken < 100, "the limit does nothing");
    };
    assert!(failure.transient, "{failure}");
    assert_eq!(world.books().await.accepted, taken);
    assert!(world.store.stage(&[large("f.again")]).await.unwrap_err().transient);
    let world = world.reopen();
    assert_eq!(world.books().await.accepted, taken);
    world.submit(vec![Put::Stage(large("f.more"))]).await;
    assert_eq!(world.books().await.accepted, taken + 1, "with room again it goes on");
}

#[tokio::test]
async fn a_database_that_may_not_be_written_is_a_passing_failure() {
    let world = World::new();
    // Another process holds the write lock, longer than anybody waits.
    let other = Connection::open(world.directory.path().join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failure = world.store.submit(world.submission(vec![plain("u.1", 1)])).await.unwrap_err();
    assert!(failure.transient, "{failure}");
    assert_eq!(world.books().await.accepted, 0, "reading goes on meanwhile");
    other.execute_batch("ROLLBACK").unwrap();
    world.submit(vec![plain("u.1", 1)]).await;
}

#[tokio::test]
async fn two_handles_on_one_directory_see_and_number_each_others_writes() {
    let world = World::new();
    let other = Store::open(world.directory.path(), Options::default()).unwrap();
    let record = |data: &[u8]| StreamRecord { partition_key: "p".to_owned(), data: data.to_vec() };
    for turn in 0..3_u8 {
        world.store.append(&[record(&[turn])]).await.unwrap();
        other.append(&[record(&[turn + 100])]).await.unwrap();
    }
    let read = other.read("shardId-000000000000", None, 10).await.unwrap();
    let data: Vec<_> = read.iter().map(|record| record.data[0]).collect();
    assert_eq!(data, [0, 100, 1, 101, 2, 102]);
    assert!(other.create(&acme()).await.unwrap());
    assert!(!world.store.create(&acme()).await.unwrap());
    assert_eq!(Organisations::list(&world.store).await.unwrap(), [acme()]);
}

/// Run by the next test as a process of its own.
#[tokio::test]
async fn as_another_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = Store::open(directory, Options::default()).unwrap();
    let report = store.ledger(Some(&acme()), Timestamp::from_ms(0)).await.unwrap();
    assert_eq!(report.orgs[0].accepted, 2);
    store.create(&acme()).await.unwrap();
}

#[tokio::test]
async fn another_process_reads_and_writes_beside_a_running_server() {
    let world = World::new();
    world.submit(vec![plain("u.1", 1), plain("u.2", 1)]).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "durability::as_another_process"]);
    let output = child.env(DIRECTORY, world.directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    world.submit(vec![plain("u.3", 1)]).await;
    assert_eq!(world.books().await.accepted, 3);
    assert_eq!(Organisations::list(&world.store).await.unwrap(), [acme()]);
}

#[test]
fn a_newer_database_is_refused_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path(), Options::default()).unwrap());
    let file = Connection::open(directory.path().join(DATABASE)).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let refused = Store::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: 99, .. }), "{refused}");
    assert!(refused.to_string().contains("newer build"));
}

#[test]
fn every_file_of_the_store_is_its_owners_alone() {
    let world = World::new();
    world.store.create_keys_if_absent().unwrap();
    for entry in fs::read_dir(world.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[test]
fn what_is_no_database_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(DATABASE), "my shopping list".repeat(100)).unwrap();
    assert!(matches!(
        Store::open(directory.path(), Options::default()),
        Err(OpenError::Database(_))
    ));
    let kept = fs::read_to_string(directory.path().join(DATABASE)).unwrap();
    assert!(kept.starts_with("my shopping list"));
}

#[tokio::test]
async fn a_stream_with_fewer_shards_than_before_keeps_the_old_ones_readable() {
    let world = World::with(|options| Options { shards: 4, ..options });
    let puts = (0..40).map(|n| plain(&format!("u.{n}"), n)).collect();
    world.submit(puts).await;
    let world = world.reopen();
    assert_eq!(world.store.shards().await.unwrap().len(), 4);
    assert_eq!(world.records().await.len(), 40);
}

/// Tells the other process where the store lies.
const DIRECTORY: &str = "EMBEDDED_TEST_DIRECTORY";
