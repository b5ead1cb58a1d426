//! Over real sockets: whoever takes a place and does nothing with it loses it.

use std::net::SocketAddr;

use axum::{body::Body, routing::get};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::*;

const LIMITS: Limits =
    Limits { connections: 2, head: Duration::from_secs(3_600), unread: Duration::from_secs(3_600) };
const SHORT: Duration = Duration::from_millis(50);
const ASK: &str = "GET /here HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A server, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let more_than_any_buffer = || async { Body::from(vec![b'x'; 64 * 1024 * 1024]) };
        let router = Router::new()
            .route("/here", get(async || "here"))
            .route("/much", get(more_than_any_buffer));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, router, limits, stopping));
        Self { address, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn says(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// What is said until the other side ends. A test that waits for what never comes fails at some time.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    timeout(Duration::from_secs(30), read).await.expect("it never ends").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The answer of `/here` on a connection that goes on.
async fn here(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"here") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "{bytes:?}");
        bytes.extend(byte);
    }
}

/// Asks until there is a place.
async fn until_there_is_a_place(server: &Server) {
    loop {
        let mut stream =
            server.says(&ASK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        if rest(&mut stream).await.starts_with("HTTP/1.1 200") {
            return;
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_and_a_connection_that_is_idle_are_ended() {
    let server = Server::with(Limits { head: SHORT, ..LIMITS }).await;
    for begun in ["", "GET /here HT", "GET /here HTTP/1.1\r\nhost: localhost\r\nx-slow: "] {
        assert_eq!(rest(&mut server.says(begun).await).await, "", "{begun:?}");
    }
    let mut kept = server.says(ASK).await;
    here(&mut kept).await;
    assert_eq!(rest(&mut kept).await, "");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let limits = Limits { connections: 1, unread: SHORT, ..LIMITS };
    let server = Server::with(limits).await;
    let held = server.says(&ASK.replace("here", "much")).await;
    until_there_is_a_place(&server).await;
    drop(held);
}

#[tokio::test]
async fn whoever_finds_no_place_is_told_so_until_somebody_leaves() {
    let server = Server::with(LIMITS).await;
    let mut held = Vec::new();
    for _ in 0..LIMITS.connections {
        let mut stream = server.says(ASK).await;
        here(&mut stream).await;
        held.push(stream);
    }
    let refused = rest(&mut server.says(ASK).await).await;
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: 1"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&503.into(), &"rate_limited".into()));
    held.pop();
    until_there_is_a_place(&server).await;
}

#[tokio::test]
async fn no_http_2_is_spoken_to_who_knows_of_it_beforehand() {
    let server = Server::with(LIMITS).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let answer = rest(&mut server.says(preface).await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_server_that_stops_ends_who_is_idle_and_takes_nobody() {
    let server = Server::with(LIMITS).await;
    let mut idle = server.says(ASK).await;
    here(&mut idle).await;
    server.stop.send_replace(true);
    assert_eq!(rest(&mut idle).await, "");
    timeout(Duration::from_secs(30), server.serving).await.expect("it never stops").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
