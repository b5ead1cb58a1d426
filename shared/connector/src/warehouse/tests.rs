//! What a warehouse is told, and what is kept of what it says.

use std::{
    io::Read as _,
    sync::{Mutex, MutexGuard},
};

use flate2::read::GzDecoder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const PASSWORD: &str = "s3cret-of-the-warehouse";

/// Heads and bodies of requests.
type Requests = Vec<(String, Vec<u8>)>;

/// A warehouse that answers every request with `answer`, and remembers heads and bodies.
struct Told {
    requests: Arc<Mutex<Requests>>,
    port: u16,
}

impl Told {
    async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = Vec::new();
                let end = loop {
                    let mut chunk = [0; 4096];
                    let bytes = stream.read(&mut chunk).await.unwrap();
                    read.extend_from_slice(&chunk[..bytes]);
                    if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                        break end;
                    }
                };
                let head = String::from_utf8(read[..end].to_vec()).unwrap().to_lowercase();
                let length: usize = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                    .unwrap_or(0);
                let mut body = read[end + 4..].to_vec();
                while body.len() < length {
                    let mut chunk = [0; 4096];
                    let bytes = stream.read(&mut chunk).await.unwrap();
                    body.extend_from_slice(&chunk[..bytes]);
                }
                told.lock().unwrap().push((head, body));
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { requests, port }
    }

    fn client(&self) -> ClickHouse {
        let settings = Settings {
            url: WarehouseUrl::parse(&format!("http://127.0.0.1:{}", self.port)).unwrap(),
            database: "friction".to_owned(),
            user: "tribometer".to_owned(),
        };
        ClickHouse::new(settings, Source::parse(PASSWORD)).unwrap()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

fn rows() -> Vec<String> {
    vec![
        r#"{"day":"2026-01-01","screens.screen":["/a"]}"#.to_owned(),
        r#"{"day":"2026-01-02","screens.screen":[]}"#.to_owned(),
    ]
}

#[tokio::test]
async fn an_insert_names_its_columns_and_keeps_its_password_out_of_the_url() {
    let told = Told::answering(answer("200 OK", "", "")).await;
    let inserted = told.client().insert(Table::Sessions, &rows()).await.unwrap();
    assert_eq!(inserted, Inserted::Stored);
    let requests = told.requests();
    let (head, body) = &requests[0];
    let line = head.lines().next().unwrap();
    let sql =
        "query=insert+into+fact_sessions+%28%60day%60%2c%60screens.screen%60%29+format+jsoneachrow";
    assert!(line.contains(sql), "{line}");
    for setting in ["async_insert=1", "wait_for_async_insert=1", "insert_deduplication_token="] {
        assert!(line.contains(setting), "{line}");
    }
    assert!(!line.contains("s3cret"), "{line}");
    assert!(head.contains(&format!("x-clickhouse-key: {PASSWORD}")), "{head}");
    assert!(head.contains("x-clickhouse-user: tribometer"), "{head}");
    assert!(head.contains("x-clickhouse-database: friction"), "{head}");
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("{}\n", rows().join("\n")));
}

#[tokio::test]
async fn equal_rows_have_the_same_token_and_others_another() {
    assert_eq!(token(Table::Sessions, &rows()), token(Table::Sessions, &rows()));
    assert_ne!(token(Table::Sessions, &rows()), token(Table::Incidents, &rows()));
    assert_ne!(token(Table::Sessions, &rows()), token(Table::Sessions, &rows()[..1]));
}

#[tokio::test]
async fn a_refusal_for_what_a_row_holds_is_an_answer_and_any_other_passes() {
    for (status, code, expected) in [
        ("400 Bad Request", "27", Some(27)),
        ("500 Internal Server Error", "117", Some(117)),
        ("404 Not Found", "60", None),
        ("403 Forbidden", "516", None),
        ("503 Service Unavailable", "", None),
        ("500 Internal Server Error", "252", None),
        ("200 OK", "241", None),
        ("302 Found", "", None),
    ] {
        let header = format!("X-ClickHouse-Exception-Code: {code}\r\n");
        let header = if code.is_empty() { String::new() } else { header };
        let told = Told::answering(answer(status, &header, "Code: … /a …")).await;
        match (told.client().insert(Table::Sessions, &rows()).await, expected) {
            (Ok(Inserted::Refused(code)), Some(expected)) => assert_eq!(code, expected),
            (Err(error), None) => assert!(error.transient, "{error}"),
            (other, _) => panic!("{status} {code}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_that_is_shown_repeats_what_was_sent_or_the_password() {
    let body = format!("Code: 60. DB::Exception: {PASSWORD} (at row 1) /a");
    let told =
        Told::answering(answer("404 Not Found", "X-ClickHouse-Exception-Code: 60\r\n", &body))
            .await;
    let client = told.client();
    let error = client.insert(Table::Sessions, &rows()).await.unwrap_err();
    let other = client.run("SELECT {x:String}", &[("x", "secret-value")]).await.unwrap_err();
    let shown = format!("{client:?} {error} {error:?} {other} {other:?}");
    for hidden in [PASSWORD, "/a", "secret-value", "at row"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains("apply scripts/clickhouse"), "{shown}");
}

#[tokio::test]
async fn an_endless_answer_is_read_so_far_and_no_further() {
    let body = "x".repeat(4 * REFUSAL_BYTES_MAX);
    let told = Told::answering(answer("200 OK", "", &body)).await;
    let inserted = told.client().insert(Table::Sessions, &rows()).await.unwrap();
    assert_eq!(inserted, Inserted::Stored);
}

#[tokio::test]
async fn a_warehouse_that_is_away_is_waited_for() {
    let told = Told::answering(String::new()).await;
    let error = told.client().insert(Table::Events, &rows()).await.unwrap_err();
    assert!(error.transient, "{error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gone = Told { port: listener.local_addr().unwrap().port(), ..told };
    drop(listener);
    let error = gone.client().insert(Table::Events, &rows()).await.unwrap_err();
    assert!(error.transient && error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn what_is_no_row_of_ours_names_no_column() {
    for row in ["", "[]", r#"{"a) VALUES (1":1}"#, r#"{"A":1}"#, "{}x"] {
        assert!(columns(row).is_none(), "{row}");
    }
    assert_eq!(columns(r#"{"a_b":1,"c.d":2}"#).as_deref(), Some("`a_b`,`c.d`"));
}
