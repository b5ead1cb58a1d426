//! What every test needs: commands, servers, events, and waiting for something instead of for a while.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use contract::Timestamp;
use serde_json::{Value, json};

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap();
        assert!(value.is_object(), "{self:?}");
        value
    }
}

/// Runs `tribo` to its end.
pub(crate) fn tribo<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Done {
    piped(arguments, b"")
}

/// Runs `tribo` with something on its standard input.
pub(crate) fn piped<S: AsRef<std::ffi::OsStr>>(arguments: &[S], input: &[u8]) -> Done {
    let mut child = command().args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `tribo`, untouched by the variables of whoever runs the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(TRIBO);
    for (name, _) in std::env::vars() {
        if name.starts_with("TRIBO_") || name.starts_with("FRICTIONMELT_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A data directory with an organisation `acme` and a key of it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Sends, reads and administers.
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self { folder, key: String::new() };
        place.key = place.key("acme", "ingest,read,admin");
        place
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A file beside the data directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data directory.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn key(&self, org: &str, scope: &str) -> String {
        let created = self.json(&["keys", "create", "--org", org, "--scope", scope]);
        created["key"].as_str().unwrap().to_owned()
    }

    /// Runs a command on the data directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let data = self.data();
        let place = ["--data-dir", data.to_str().unwrap()];
        tribo(&[arguments, &place].concat())
    }

    /// Runs a command on the data directory that succeeds, and reads its object.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.json()
    }

    pub(crate) fn start(&self, more: &[&str]) -> Server {
        Server::start(&self.data(), more)
    }

    /// The ledger once every record is processed.
    pub(crate) fn processed(&self) -> Value {
        self.ledger_when("every record is processed", |ledger| ledger["streamLag"] == 0)
    }

    /// The ledger once it looks as expected.
    pub(crate) fn ledger_when(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let ledger = self.run(&["ledger", "--json"]).json();
            is(&ledger).then_some(ledger)
        })
    }

    /// What `tribo where` says.
    pub(crate) fn place_of(&self, event: &str) -> Value {
        self.json(&["where", event])
    }

    /// Every line of the archive.
    pub(crate) fn archived(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        let mut folders = vec![self.data().join("archive")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let file = std::fs::File::open(path).unwrap();
                    let mut text = String::new();
                    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
                    lines.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
                }
            }
        }
        lines
    }

    /// The store's tables, for what only a saboteur does.
    pub(crate) fn tables(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.data().join("tribo.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }
}

/// A running `tribo local`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// The object it printed.
    pub(crate) ready: Value,
}

impl Server {
    /// Starts a server, on a free port unless told otherwise, and waits until it listens.
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        let mut command = command();
        command.args(["local", "--json", "--data-dir"]).arg(data).stderr(Stdio::null());
        if !more.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.args(more).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: ready["url"].as_str().unwrap().to_owned(), ready }
    }

    /// Ends it without any chance to tidy up.
    pub(crate) fn kill_nine(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM) and waits for it.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = wait_for("the server ends", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }

    /// Posts events.
    pub(crate) fn post(&self, key: &str, events: &[Value]) -> (u16, Value) {
        let body = json!({ "events": events }).to_string();
        let headers = [("authorization", format!("Bearer {key}"))];
        self.http("POST", "/v1/events/batch", &headers, &body)
    }

    /// Posts events that are taken.
    pub(crate) fn accept(&self, key: &str, events: &[Value]) {
        let (status, answer) = self.post(key, events);
        let mut rejected = answer["events"].as_array().into_iter().flatten();
        let rejected = rejected.find(|event| event["status"] == "rejected");
        assert_eq!((status, rejected), (202, None));
        assert_eq!(answer["accepted"], events.len());
    }

    /// Gets an object with a key.
    pub(crate) fn get(&self, key: &str, path: &str) -> (u16, Value) {
        self.http("GET", path, &[("authorization", format!("Bearer {key}"))], "")
    }

    /// One request, byte by byte: clients would not send a foreign `Host`.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> (u16, Value) {
        let address = self.url.strip_prefix("http://").unwrap().replace("0.0.0.0", "127.0.0.1");
        let mut stream = TcpStream::connect(&address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = body.len();
        head.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        ));
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// An event of `kind` that happened now.
pub(crate) fn event(id: &str, kind: &str) -> Value {
    let mut event = json!({
        "eventId": id,
        "eventType": kind,
        "occurredAt": now().to_string(),
        "orgId": "acme",
        "actorId": "anna@example.org",
    });
    if kind.starts_with("friction.") {
        event["traceComponent"] = "transparency".into();
    }
    if kind.starts_with("ui.") {
        event["screen"] = "/start".into();
        event["element"] = json!({ "key": "save" });
    }
    event
}

/// The same with another field.
pub(crate) fn with(mut event: Value, field: &str, value: impl Into<Value>) -> Value {
    event[field] = value.into();
    event
}

/// Events as lines of a file.
pub(crate) fn lines<'a>(events: impl IntoIterator<Item = &'a Value>) -> String {
    events.into_iter().map(|event| format!("{event}\n")).collect()
}

pub(crate) fn now() -> Timestamp {
    let since = UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

/// The names of an object's fields.
pub(crate) fn fields(object: &Value) -> Vec<&str> {
    let mut fields: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

/// An event whose severity makes it urgent: it is delivered without waiting for a tick.
pub(crate) const URGENT: &str = "friction.rage_quit";
/// An event that waits for its tick.
pub(crate) const UNHURRIED: &str = "friction.challenge";
const PATIENCE: Duration = Duration::from_secs(60);
const TRIBO: &str = env!("CARGO_BIN_EXE_tribo");
