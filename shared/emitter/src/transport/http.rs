//! `POST /v1/events/batch` of a `tribo` on this machine, for development.

use std::{fmt, net::IpAddr};

use contract::{
    ingest::{EventAnswer, EventStatus, IngestAnswer},
    problem::Problem,
    staged::StagedEvent,
};
use reqwest::{Client, Response, StatusCode, Url, header};

use super::{RowFate, Transport, TransportError};

/// Sends rows to the HTTP door of this machine. Plain HTTP, and therefore to no other machine.
pub struct Http {
    client: Client,
    url: Url,
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
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client,
}

impl Http {
    /// Sends to the server at `base_url` with an API key of the scope `ingest`.
    ///
    /// # Errors
    /// The URL names another machine, or the key is not one.
    pub fn new(base_url: &str, api_key: &str) -> Result<Self, HttpError> {
        let url = Url::parse(base_url).map_err(|_| HttpError::NotLocal)?;
        if url.scheme() != "http" || !url.host_str().is_some_and(is_this_machine) {
            return Err(HttpError::NotLocal);
        }
        let url = url.join("/v1/events/batch").map_err(|_| HttpError::NotLocal)?;
        let mut authorization = header::HeaderValue::try_from(format!("Bearer {api_key}"))
            .map_err(|_| HttpError::InvalidKey)?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| HttpError::Client)?;
        Ok(Self { client, url, authorization })
    }
}

impl Transport for Http {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        let sent = self
            .client
            .post(self.url.clone())
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body(rows))
            .send()
            .await;
        let mut answer = sent.map_err(|_| unavailable("the server did not answer"))?;
        let answers = match answer.status() {
            StatusCode::ACCEPTED => read::<IngestAnswer>(&mut answer).await?.events,
            // Every event was refused, each for its own reason.
            StatusCode::UNPROCESSABLE_ENTITY => read::<Problem>(&mut answer).await?.events,
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
        f.debug_struct("Http").field("url", &self.url.as_str()).finish_non_exhaustive()
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

async fn read<T: serde::de::DeserializeOwned>(answer: &mut Response) -> Result<T, TransportError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| unavailable("the answer broke off"))? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(unavailable("the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
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
