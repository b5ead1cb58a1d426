//! `POST /v1/events/batch` of a `tribo` on this machine, for development.

use std::{fmt, net::IpAddr};

use bytes::Bytes;
use contract::{
    ingest::{EventAnswer, EventStatus, IngestAnswer},
    problem::Problem,
    staged::StagedEvent,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{RowFate, Transport, TransportError};

/// Sends rows to the HTTP door of this machine. Plain HTTP, and therefore to no other machine.
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    authorization: header::HeaderValue,
}

/// Why there is no such transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not a URL of the form `http://127.0.0.1:8787`.
    #[error("the URL must name this machine, as http://127.0.0.1:8787 does")]
    NotLocal,
    /// The API key cannot stand in a header.
    #[error("the API key holds characters that a header cannot hold")]
    InvalidKey,
}

impl Http {
    /// Sends to the server at `base_url` with an API key of the scope `ingest`.
    ///
    /// # Errors
    /// The URL names another machine, or the key is not one.
    pub fn new(base_url: &str, api_key: &str) -> Result<Self, HttpError> {
        let base: Uri = base_url.parse().map_err(|_| HttpError::NotLocal)?;
        let authority = base.authority().filter(|_| base.scheme_str() == Some("http"));
        // What stands before an `@` is no host.
        let local = authority
            .filter(|named| !named.as_str().contains('@') && is_this_machine(named.host()));
        let url =
            Uri::builder().scheme("http").authority(local.ok_or(HttpError::NotLocal)?.as_str());
        let url =
            url.path_and_query("/v1/events/batch").build().map_err(|_| HttpError::NotLocal)?;
        let mut authorization = header::HeaderValue::try_from(format!("Bearer {api_key}"))
            .map_err(|_| HttpError::InvalidKey)?;
        authorization.set_sensitive(true);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { client, url, authorization })
    }
}

impl Transport for Http {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        let request = Request::post(self.url.clone())
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body(rows)))
            .map_err(|_| unavailable("the request cannot be made"))?;
        let sent = self.client.request(request).await;
        let answer = sent.map_err(|_| unavailable("the server did not answer"))?;
        let answers = match answer.status() {
            StatusCode::ACCEPTED => read::<IngestAnswer>(answer).await?.events,
            // Every event was refused, each for its own reason.
            StatusCode::UNPROCESSABLE_ENTITY => read::<Problem>(answer).await?.events,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(TransportError::Denied { why: "the API key" });
            }
            StatusCode::NOT_FOUND => return Err(TransportError::Denied { why: "the URL" }),
            StatusCode::TOO_MANY_REQUESTS => return Err(TransportError::Throttled),
            _ => return Err(unavailable("the server answered with an error")),
        };
        Ok((0..rows.len()).map(|index| fate(&answers, index)).collect())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The rows' bodies are events as the door takes them; what a door adds it does not read.
fn body(rows: &[StagedEvent]) -> String {
    let bodies: Vec<&str> = rows.iter().map(|row| row.body.as_str()).collect();
    format!("{{\"events\":[{}]}}", bodies.join(","))
}

fn fate(answers: &[EventAnswer], index: usize) -> RowFate {
    let answer = answers.iter().find(|answer| answer.index == index);
    match answer.map(|answer| (answer.status, answer.code)) {
        Some((EventStatus::Accepted | EventStatus::Quarantined, _)) => RowFate::Stored,
        Some((EventStatus::Duplicate, _)) => RowFate::Known,
        Some((EventStatus::Rejected, Some(code))) => RowFate::Refused(code),
        Some((EventStatus::Rejected, None)) | None => RowFate::Unprocessed,
    }
}

async fn read<T: serde::de::DeserializeOwned>(
    answer: Response<Incoming>,
) -> Result<T, TransportError> {
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let bytes = body.map_err(|_| unavailable("the answer broke off or is too long"))?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|_| unavailable("the answer is not understood"))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn unavailable(why: &'static str) -> TransportError {
    TransportError::Unavailable { why }
}

/// 25 answers are far shorter.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to() {
        let of = |url| Http::new(url, "fk_test").map(|_| ());
        for local in ["http://127.0.0.1:8787", "http://localhost", "http://[::1]:80/ignored"] {
            assert_eq!(of(local), Ok(()), "{local}");
        }
        for other in [
            "https://127.0.0.1",
            "http://example.org",
            "http://127.0.0.1.example.org",
            "http://10.0.0.1",
            "http://169.254.169.254",
            "ftp://localhost",
            "localhost:8787",
            "http://127.0.0.1@example.org",
            "",
        ] {
            assert_eq!(of(other), Err(HttpError::NotLocal), "{other}");
        }
        assert_eq!(Http::new("http://localhost", "a\nb").unwrap_err(), HttpError::InvalidKey);
    }

    #[test]
    fn the_key_is_not_printed() {
        let http = Http::new("http://localhost:1", "fk_secret").unwrap();
        assert!(!format!("{http:?}").contains("secret"));
    }
}
