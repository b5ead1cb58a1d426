//! ClickHouse over its HTTP interface: rows in, one request for each insert, bounded in time and size.

mod address;
mod failure;

use std::{io::Write as _, sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use ports::{
    PortError, PortResult,
    warehouse::{Inserted, Table, Warehouse},
};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_ENCODING, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use self::{
    address::{InvalidWarehouse, WarehouseUrl},
    failure::Failure,
};
use crate::{
    address::{Guarded, System},
    http::{NoClient, tls},
    secrets::Source,
};

/// Whose password it is, and where it is kept. It goes into a header and nowhere else.
pub trait Password: Send + Sync {
    /// The password as it is now.
    fn password(&self) -> impl Future<Output = PortResult<String>> + Send;
}

impl Password for Source {
    async fn password(&self) -> PortResult<String> {
        let read = self.read().map(|text| text.trim_end().to_owned());
        // Whose file cannot be read may be mended at any moment.
        read.map_err(|error| PortError::transient("warehouse.password", error.kind().to_string()))
    }
}

/// Which warehouse, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub url: WarehouseUrl,
    /// The database of the tables.
    pub database: String,
    /// The user.
    pub user: String,
}

/// A ClickHouse behind a URL. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct ClickHouse<P = Source> {
    client: Client,
    settings: Settings,
    password: P,
}

impl<P: Password> ClickHouse<P> {
    /// Makes the client. Certificates are checked against the web's roots; there is no way to accept others.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(settings: Settings, password: P) -> Result<Self, NoClient> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls(roots)?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("tribometer/", env!("CARGO_PKG_VERSION")));
        if let Some(reach) = settings.url.reach() {
            builder = builder.dns_resolver(Arc::new(Guarded { reach, lookup: System }));
        }
        let client = builder.build().map_err(|error| NoClient(error.to_string()))?;
        Ok(Self { client, settings, password })
    }

    /// Runs a statement with parameters (`{name:Type}` in it) and answers what it prints, at most 16 MiB.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn run(&self, sql: &str, parameters: &[(&str, &str)]) -> PortResult<String> {
        let named: Vec<(String, &str)> =
            parameters.iter().map(|(name, value)| (format!("param_{name}"), *value)).collect();
        let mut url = self.settings.url.get().clone();
        url.query_pairs_mut().extend_pairs(named).append_pair("wait_end_of_query", "1");
        let sent = self.signed(self.client.post(url)).await?.body(sql.to_owned()).send().await;
        let mut response = sent.map_err(|error| failed(RUN, Failure::of(&error)))?;
        if let Some(failure) = refusal(&response) {
            return Err(failed(RUN, failure));
        }
        let body = body(&mut response, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| failed(RUN, Failure::of(&error)))?;
        String::from_utf8(body).map_err(|error| PortError::permanent(RUN, error.utf8_error()))
    }

    async fn signed(&self, request: RequestBuilder) -> PortResult<RequestBuilder> {
        let secret = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                PortError::permanent(RUN, "a user or password that no header holds")
            })?;
            value.set_sensitive(true);
            Ok::<_, PortError>(value)
        };
        let password = self.password.password().await?;
        let request = request
            .header(USER, secret(&self.settings.user)?)
            .header(DATABASE, secret(&self.settings.database)?);
        // Without one the user has none: an empty header is refused by some proxies.
        Ok(if password.is_empty() { request } else { request.header(KEY, secret(&password)?) })
    }

    async fn post(&self, table: Table, rows: &[String]) -> PortResult<Inserted> {
        let Some(columns) = rows.first().and_then(|row| columns(row)) else {
            return Ok(Inserted::Stored);
        };
        let sql = format!("INSERT INTO {} ({columns}) FORMAT JSONEachRow", table.as_str());
        let token = token(table, rows);
        let mut url = self.settings.url.get().clone();
        url.query_pairs_mut()
            .append_pair("query", &sql)
            .append_pair("insert_deduplication_token", &token)
            .extend_pairs(INSERT_SETTINGS);
        let packed = pack(rows).map_err(|error| PortError::permanent(INSERT, error))?;
        let request = self.signed(self.client.post(url)).await?;
        let sent = request.header(CONTENT_ENCODING, "gzip").body(packed).send().await;
        let mut response = sent.map_err(|error| failed(INSERT, Failure::of(&error)))?;
        let refusal = refusal(&response);
        // What it says repeats what was sent: it is read so that the connection can be used again, and not kept.
        let read = body(&mut response, REFUSAL_BYTES_MAX).await;
        match (refusal, read) {
            (None, Ok(_)) => Ok(Inserted::Stored),
            (None, Err(error)) => Err(failed(INSERT, Failure::of(&error))),
            (Some(refused), _) => match refused.content_code() {
                Some(code) => Ok(Inserted::Refused(code)),
                None => Err(failed(INSERT, refused)),
            },
        }
    }
}

impl<P: Password> Warehouse for ClickHouse<P> {
    async fn insert(&self, table: Table, rows: &[String]) -> PortResult<Inserted> {
        // The client's own timeout ends with the last read; this one holds whatever the client does.
        match tokio::time::timeout(ANSWER_WITHIN + GRACE, self.post(table, rows)).await {
            Ok(inserted) => inserted,
            Err(_) => Err(failed(INSERT, Failure::Timeout)),
        }
    }
}

/// Whatever is wrong may be mended while rows wait: nothing here is for ever.
fn failed(operation: &'static str, failure: Failure) -> PortError {
    PortError::transient(operation, failure)
}

/// The columns of a row, quoted: an insert that names them is refused whole by a table that lacks one. Nothing for what is no
/// row of ours.
fn columns(row: &str) -> Option<String> {
    let row: Map<String, Value> = serde_json::from_str(row).ok()?;
    let is_plain = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.')
    };
    let names = row.keys().map(|name| is_plain(name).then(|| format!("`{name}`")));
    Some(names.collect::<Option<Vec<_>>>()?.join(","))
}

/// Equal rows have equal tokens, which spares a warehouse that remembers them the work; nothing rests on it.
fn token(table: Table, rows: &[String]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(table.as_str());
    for row in rows {
        hasher.update(row.as_bytes());
        hasher.update(b"\n");
    }
    HEXLOWER.encode(&hasher.finalize())
}

fn pack(rows: &[String]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for row in rows {
        packed.write_all(row.as_bytes())?;
        packed.write_all(b"\n")?;
    }
    packed.finish()
}

/// What a response refuses, by its status and its header alone.
fn refusal(response: &Response) -> Option<Failure> {
    let code = response.headers().get(EXCEPTION_CODE);
    let code = code.map(|value| value.to_str().ok().and_then(|text| text.parse().ok()));
    let status = response.status();
    (!status.is_success() || code.is_some())
        .then(|| Failure::Refused { status: status.as_u16(), code: code.flatten().unwrap_or(0) })
}

/// At most so many bytes; what follows is not read, and the connection is closed with it.
async fn body(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// Small inserts are gathered by the server, and acknowledged once they are written; a refusal comes as a status; times are read
/// as the contract writes them.
const INSERT_SETTINGS: [(&str, &str); 4] = [
    ("async_insert", "1"),
    ("wait_for_async_insert", "1"),
    ("wait_end_of_query", "1"),
    ("date_time_input_format", "best_effort"),
];
const INSERT: &str = "warehouse.insert";
const RUN: &str = "warehouse.run";
const USER: HeaderName = HeaderName::from_static("x-clickhouse-user");
const KEY: HeaderName = HeaderName::from_static("x-clickhouse-key");
const DATABASE: HeaderName = HeaderName::from_static("x-clickhouse-database");
const EXCEPTION_CODE: HeaderName = HeaderName::from_static("x-clickhouse-exception-code");
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_millis(500);
/// Connections idle for longer may be dead after a pause of the whole process.
const IDLE: Duration = Duration::from_secs(30);
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
