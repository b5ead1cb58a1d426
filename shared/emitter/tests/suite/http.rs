//! The HTTP transport against a server that answers what the test says.

use crate::common::{draft, host};
use emitter::{Code, EmitError, HeldBack, TransportError, transport::Http};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// Answers one request and gives it back.
async fn server(status: &'static str, answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        while !is_complete(&request) {
            let mut part = [0; 4_096];
            let bytes = stream.read(&mut part).await.unwrap();
            request.push_str(std::str::from_utf8(part.get(..bytes).unwrap()).unwrap());
        }
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    });
    (url, served)
}

fn is_complete(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

async fn outcome(status: &'static str, answer: &'static str) -> Result<(), EmitError> {
    let (url, served) = server(status, answer).await;
    let mut patient = crate::common::settings();
    patient.budget = std::time::Duration::from_secs(10);
    let http = Http::new(&url, "fk_test").unwrap();
    let (emitter, _) = crate::common::host_with(patient, http).await;
    let outcome = emitter.try_emit(draft()).await.map(|_| ());
    served.await.unwrap();
    outcome
}

#[tokio::test]
async fn events_are_posted_with_their_ids_and_the_key() {
    let (url, served) = server("202 Accepted", ACCEPTED).await;
    let (emitter, _) = host(Http::new(&url, "fk_test").unwrap()).await;
    let id = emitter.emit_later(draft());
    emitter.flush(std::time::Duration::from_secs(10)).await;
    let request = served.await.unwrap();
    assert!(request.starts_with("POST /v1/events/batch HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer fk_test\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["events"][0]["eventId"], id.as_str());
}

#[tokio::test]
async fn every_answer_is_a_fate() {
    let one = |status: &str| {
        let answer = format!(
            r#"{{"accepted":0,"duplicates":0,"rejected":0,"events":[{{"index":0,"status":"{status}"}}]}}"#
        );
        &*answer.leak()
    };
    assert_eq!(outcome("202 Accepted", one("accepted")).await, Ok(()));
    assert_eq!(outcome("202 Accepted", one("duplicate")).await, Ok(()));
    assert_eq!(outcome("202 Accepted", one("quarantined")).await, Ok(()));
    let refused = r#"{"type":"urn:x","title":"x","status":422,"code":"nothing_acceptable",
        "events":[{"index":0,"status":"rejected","code":"late"}]}"#;
    let error = outcome("422 Unprocessable Entity", refused).await.unwrap_err();
    assert!(matches!(error, EmitError::Refused { code: Code::Late, .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_of_the_server_keeps_the_event() {
    let why = async |status| match outcome(status, "{}").await {
        Err(EmitError::Held { why: HeldBack::Failed(error), .. }) => Some(error),
        Ok(())
        | Err(EmitError::Held { .. } | EmitError::Refused { .. } | EmitError::Dropped { .. }) => {
            None
        }
    };
    assert!(matches!(why("401 Unauthorized").await, Some(TransportError::Denied { .. })));
    assert!(matches!(
        why("307 Temporary Redirect").await,
        Some(TransportError::Unavailable { .. })
    ));
    assert!(matches!(
        why("503 Service Unavailable").await,
        Some(TransportError::Unavailable { .. })
    ));
    assert!(matches!(why("202 Accepted").await, Some(TransportError::Unavailable { .. })));
    assert_eq!(why("429 Too Many Requests").await, Some(TransportError::Throttled));
}

const ACCEPTED: &str = r#"{"accepted":1,"duplicates":0,"rejected":0,
    "events":[{"index":0,"status":"accepted"}]}"#;
