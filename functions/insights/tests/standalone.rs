//! The real binary of the insights API on a machine, over the embedded store.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use contract::OrgId;
use domain::api_key::{ApiKey, Scope};
use embedded::{Options, Store};
use ports::{
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
};
use standin::run;

/// Serves the directory on a free port of this machine; answers where.
fn serve(directory: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_insights"))
        .env_clear()
        .env("EVENTS_SQLITE_PATH", directory)
        .env("PORT", "0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let told = log.lines().map(Result::unwrap).find(|line| line.contains("listening on ")).unwrap();
    let address = told.split("listening on ").nth(1).unwrap();
    let address = address.split('"').next().unwrap().to_owned();
    (child, address)
}

/// The whole answer, head and body.
fn get(address: &str, path: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn without_a_table_the_directory_is_served_on_loopback_and_ends_when_it_is_told_to() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        let org = OrgId::parse("acme").unwrap();
        store.create(&org).await.unwrap();
        let key = ApiKey::new([1; 16], [2; 32]);
        let record = ApiKeyRecord::of(&key, vec![org], &[Scope::Read], standin::now());
        store.put(&record).await.unwrap();

        let (mut child, address) = serve(directory.path());
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        let answer = get(&address, "/v1/sessions", &key.reveal());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(r#""sessions":[]"#), "{answer}");
        let refused = get(&address, "/v1/sessions", "fk_nobody");
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(killed.success() && child.wait().unwrap().success());
    });
}

#[test]
fn a_directory_that_holds_no_store_is_named_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_insights"))
        .env_clear()
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("EVENTS_DDB_TABLE") && told.contains("EVENTS_SQLITE_PATH"), "{told}");
    assert!(!directory.path().join("events.db").exists());
}
