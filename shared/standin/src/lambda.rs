//! Lambda's Runtime API on loopback: a function's real binary, started and asked as Lambda starts and asks it.
//!
//! One environment per function, one invocation at a time. A binary that runs into its time limit is killed and started
//! again for the next invocation, and so is one that ended by itself.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};

/// How a function is run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its `bootstrap`.
    pub binary: PathBuf,
    /// Its environment; nothing else is handed on.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Where its log goes; nothing keeps it with this process's own.
    pub log: Option<PathBuf>,
}

/// A function behind its Runtime API.
#[derive(Debug)]
pub struct Function {
    spec: Spec,
    api: Arc<Api>,
    address: String,
    server: JoinHandle<()>,
    /// The running environment; whoever holds the lock is the one invocation under way.
    environment: Mutex<Option<Child>>,
}

/// What became of an invocation that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The function answered with an error: its JSON.
    Error(String),
    /// It took longer than it may.
    TimedOut,
    /// It ended without an answer.
    Exited(String),
    /// It could not be started.
    NotStarted(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(json) => write!(f, "the function failed: {json}"),
            Self::TimedOut => f.write_str("the function took longer than it may"),
            Self::Exited(status) => write!(f, "the function ended: {status}"),
            Self::NotStarted(why) => write!(f, "the function cannot be started: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

#[derive(Debug)]
struct Api {
    arn: String,
    timeout: Duration,
    number: AtomicU64,
    pending: Mutex<mpsc::Receiver<Invocation>>,
    submit: mpsc::Sender<Invocation>,
    open: std::sync::Mutex<BTreeMap<String, oneshot::Sender<Answer>>>,
    /// When an environment first asked for work, since the last start.
    asked: std::sync::Mutex<Option<Instant>>,
    init_error: std::sync::Mutex<Option<String>>,
    /// The running environment's process.
    pid: std::sync::Mutex<Option<u32>>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Bytes,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Bytes, String>;

impl Function {
    /// Opens the Runtime API; the binary is started by the first invocation.
    ///
    /// # Panics
    /// No port is free.
    pub async fn new(spec: Spec) -> Self {
        let (submit, pending) = mpsc::channel(1);
        let api = Arc::new(Api {
            arn: format!("arn:aws:lambda:eu-central-1:000000000000:function:{}", spec.name),
            timeout: spec.timeout,
            number: AtomicU64::new(1),
            pending: Mutex::new(pending),
            submit,
            open: std::sync::Mutex::default(),
            asked: std::sync::Mutex::default(),
            init_error: std::sync::Mutex::default(),
            pid: std::sync::Mutex::default(),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(&api));
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("no port: {error}"),
        };
        let address = match listener.local_addr() {
            Ok(address) => address.to_string(),
            Err(error) => panic!("no address: {error}"),
        };
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                panic!("the Runtime API ended: {error}");
            }
        });
        Self { spec, api, address, server, environment: Mutex::new(None) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Invokes it once and waits for its answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Result<Bytes, Failure> {
        let mut environment = self.environment.lock().await;
        if environment.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None))) {
            self.end(&mut environment).await;
            *environment = Some(self.start().map_err(Failure::NotStarted)?);
        }
        let Some(child) = environment.as_mut() else {
            return Err(Failure::NotStarted("no environment".to_owned()));
        };
        let number = self.api.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let invocation = Invocation { id, payload: payload.into(), answer };
        // An environment that never asked leaves the invocation in the channel: it must not reach the next one.
        let outcome = tokio::select! {
            outcome = async {
                if self.api.submit.send(invocation).await.is_err() {
                    return Err(Failure::NotStarted("the Runtime API is closed".to_owned()));
                }
                match answered.await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(error)) => Err(Failure::Error(error)),
                    Err(_) => Err(Failure::Exited("the invocation was given up".to_owned())),
                }
            } => outcome,
            status = child.wait() => {
                let told = self.api.take_init_error();
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(Failure::Exited(told.unwrap_or(status)))
            }
            () = tokio::time::sleep(self.spec.timeout) => Err(Failure::TimedOut),
        };
        if matches!(outcome, Err(Failure::TimedOut | Failure::Exited(_))) {
            self.end(&mut environment).await;
        }
        outcome
    }

    /// Starts an environment now and answers how long it took until it asked for work.
    ///
    /// # Errors
    /// It ended, or does not ask within the time limit.
    pub async fn warm_up(&self) -> Result<Duration, Failure> {
        let mut environment = self.environment.lock().await;
        self.end(&mut environment).await;
        let started = Instant::now();
        *environment = Some(self.start().map_err(Failure::NotStarted)?);
        while started.elapsed() < self.spec.timeout {
            if let Some(asked) = self.api.asked() {
                return Ok(asked.duration_since(started));
            }
            if let Some(child) = environment.as_mut()
                && let Ok(Some(status)) = child.try_wait()
            {
                let told = self.api.take_init_error();
                return Err(Failure::Exited(told.unwrap_or_else(|| status.to_string())));
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Err(Failure::TimedOut)
    }

    /// Kills the environment at once, whatever it does (`kill -9`). The invocation under way fails.
    pub async fn kill(&self) {
        // Not through the lock: an invocation under way holds it.
        if let Some(pid) = self.api.pid() {
            let kill = Command::new("kill").arg("-9").arg(pid.to_string()).status().await;
            if let Err(error) = kill {
                panic!("kill: {error}");
            }
            // It dies in its own time, and until then it seems to be there for the next invocation.
            while is_running(pid) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    fn start(&self) -> Result<Child, String> {
        self.api.started();
        let mut command = Command::new(&self.spec.binary);
        command
            .env_clear()
            .envs(&self.spec.environment)
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.spec.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.spec.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stand-in")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(log) = &self.spec.log {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
            let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
            let other = file.try_clone().map_err(|error| error.to_string())?;
            command.stdout(file).stderr(other);
        }
        let named = |error| format!("{}: {error}", self.spec.binary.display());
        let child = command.spawn().map_err(named)?;
        self.api.runs(child.id());
        Ok(child)
    }

    async fn end(&self, environment: &mut Option<Child>) {
        if let Some(mut child) = environment.take()
            && let Err(error) = child.kill().await
        {
            panic!("an environment cannot be ended: {error}");
        }
        // Its last question ends with its connection; only then may somebody else ask. What it did not take must not
        // reach the next one.
        let mut pending = self.api.pending.lock().await;
        while pending.try_recv().is_ok() {}
        self.api.clear();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Api {
    fn runs(&self, pid: Option<u32>) {
        *lock(&self.pid) = pid;
    }

    fn pid(&self) -> Option<u32> {
        *lock(&self.pid)
    }

    fn started(&self) {
        *lock(&self.asked) = None;
        *lock(&self.init_error) = None;
    }

    fn asked(&self) -> Option<Instant> {
        *lock(&self.asked)
    }

    fn take_init_error(&self) -> Option<String> {
        lock(&self.init_error).take()
    }

    fn clear(&self) {
        lock(&self.open).clear();
    }

    fn settle(&self, id: &str, answer: Answer) -> StatusCode {
        match lock(&self.open).remove(id) {
            // Whoever waited may be gone.
            Some(waiting) => {
                drop(waiting.send(answer));
                StatusCode::ACCEPTED
            }
            None => StatusCode::BAD_REQUEST,
        }
    }
}

/// A process that has ended stays in the table, as a zombie, until it is waited for.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    lock(&api.asked).get_or_insert_with(Instant::now);
    let Some(invocation) = api.pending.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let Invocation { id, payload, answer } = invocation;
    lock(&api.open).insert(id.clone(), answer);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = (since + api.timeout).as_millis().to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", api.arn.clone()),
        ("lambda-runtime-trace-id", TRACE.to_owned()),
    ];
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            map.insert(name, value);
        }
    }
    if let Ok(json) = "application/json".parse() {
        map.insert(CONTENT_TYPE, json);
    }
    (map, payload).into_response()
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.settle(&id, Ok(body))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: String) -> StatusCode {
    api.settle(&id, Err(body))
}

async fn init_error(State(api): State<Arc<Api>>, body: String) -> StatusCode {
    *lock(&api.init_error) = Some(body);
    StatusCode::ACCEPTED
}

const TRACE: &str = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=0";
