//! A client that can be as rude as needed: it writes bytes and reads an answer.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A request under construction.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Written instead of everything else.
    raw: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A batch that needs nothing but a key.
    pub(crate) fn batch(body: impl Into<Vec<u8>>) -> Self {
        let request = Self {
            method: "POST",
            path: "/v1/events/batch".to_owned(),
            headers: Vec::new(),
            body: body.into(),
            raw: None,
        };
        request.with("host", "door.test").with("content-type", "application/json")
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::batch("").method("GET").path(path)
    }

    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::batch("") }
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.with("authorization", format!("Bearer {key}"))
    }

    pub(crate) fn gzip(self) -> Self {
        let body = gzip(&self.body);
        Self { body, ..self }.with("content-encoding", "gzip")
    }

    /// One header more.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// What is written, `content-length` included unless the request brings its own framing.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        let framed = ["content-length", "transfer-encoding"];
        if !self.headers.iter().any(|(name, _)| framed.contains(&name.as_str())) {
            line("content-length", self.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a connection of its own.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        let (mut reader, mut writer) = TcpStream::connect(to).await.unwrap().into_split();
        let bytes = self.bytes();
        // The server may answer and close before it has read everything.
        let writing = tokio::spawn(async move {
            drop(writer.write_all(&bytes).await);
            writer
        });
        let answer = Answer::read(&mut reader).await;
        drop(writing.await);
        answer
    }
}

impl Answer {
    /// Reads one answer, with its body if it has a length.
    pub(crate) async fn read(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(reader.read_buf(&mut bytes).await.unwrap_or(0) > 0, "no answer: {bytes:?}");
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers =
            headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut answer = Self { status, headers, body: bytes[head + 4..].to_vec() };
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        while answer.body.len() < length {
            assert!(reader.read_buf(&mut answer.body).await.unwrap_or(0) > 0, "half an answer");
        }
        // What follows is another answer.
        answer.body.truncate(length);
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `accepted duplicates rejected` of a 202.
    pub(crate) fn counts(&self) -> [u64; 3] {
        ["accepted", "duplicates", "rejected"].map(|name| self.json()[name].as_u64().unwrap())
    }

    /// The code of each event, or its status where it has none; of a problem as well.
    pub(crate) fn events(&self) -> Vec<String> {
        let json = self.json();
        let told =
            |event: &Value| event["code"].as_str().or(event["status"].as_str()).unwrap().to_owned();
        json["events"]
            .as_array()
            .map(|events| events.iter().map(told).collect())
            .unwrap_or_default()
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
