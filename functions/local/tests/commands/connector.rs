//! A connector in this process: it notes every request and answers as it is told.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::{Value, json};

use crate::support::wait_for;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The events of the batch.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.json()["events"].as_array().unwrap().clone()
    }
}

/// What it answers.
pub(crate) enum Reply {
    /// Status, `Retry-After` and body.
    Answer(u16, Option<u32>, Value),
    /// Nothing, while the process lives.
    Silence,
}

impl Reply {
    /// It takes everything.
    pub(crate) fn taken(request: &Request) -> Self {
        Self::Answer(200, None, json!({ "accepted": request.events().len() }))
    }
}

pub(crate) struct Connector {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Connector {
    /// Listens on a free port; `answer` is told which request it is, from 0.
    pub(crate) fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                std::thread::spawn(move || serve(stream.unwrap(), &*answer, &noted));
            }
        });
        Self { url, requests }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first `count` requests, once there are so many.
    pub(crate) fn wait(&self, count: usize) -> Vec<Request> {
        wait_for("the connector is called", || {
            let requests = self.requests();
            (requests.len() >= count).then_some(requests)
        })
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Request, usize) -> Reply + Send + Sync),
    noted: &Mutex<Vec<Request>>,
) {
    let Some(request) = read(&stream) else { return };
    let number = {
        let mut noted = noted.lock().unwrap();
        noted.push(request.clone());
        noted.len() - 1
    };
    let (status, retry_after, body) = match answer(&request, number) {
        Reply::Answer(status, retry_after, body) => (status, retry_after, body.to_string()),
        Reply::Silence => loop {
            std::thread::park();
        },
    };
    let wait = retry_after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n{wait}connection: close");
    // Whoever asked may be gone.
    drop(stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()));
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { at: Instant::now(), path, headers, body })
}
