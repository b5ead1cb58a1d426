//! A database of its own in the engine, and the queries as `scripts/clickhouse/queries` has them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use connector::{
    Source,
    warehouse::{ClickHouse, Settings, WarehouseUrl},
};
use embedded::{Options, Store};
use ports::{
    PortError, PortResult,
    clock::SystemClock,
    warehouse::{Inserted, Table, Warehouse},
};
use serde_json::Value;
use tempfile::TempDir;
use warehouse::{Sink, schema::STATEMENTS};

/// An engine's database with its tables.
pub(crate) struct Engine {
    pub(crate) client: ClickHouse,
    /// Where refused rows are set aside.
    pub(crate) archive: Store,
    _directory: TempDir,
}

/// What is asked, and about what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) product: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

impl Engine {
    pub(crate) async fn start() -> Self {
        let url = std::env::var("CLICKHOUSE_STAND_IN")
            .expect("run it as: scripts/stand-ins run cargo nextest run -p suite");
        let settings = Settings {
            url: WarehouseUrl::parse(&url).unwrap(),
            database: unique(),
            user: "default".to_owned(),
        };
        let directory = tempfile::tempdir().unwrap();
        let archive = Store::open(directory.path(), Options::default()).unwrap();
        let client = ClickHouse::new(settings, Source::Text(String::new())).unwrap();
        let engine = Self { client, archive, _directory: directory };
        for statement in STATEMENTS {
            engine.run(statement.sql.trim_end().trim_end_matches(';')).await;
        }
        engine
    }

    pub(crate) fn sink(&self) -> Sink<ClickHouse, Store, SystemClock> {
        Sink::new(self.client.clone(), self.archive.clone(), SystemClock)
    }

    /// The same through a way that loses requests and answers.
    pub(crate) fn sink_over(&self, weather: Weather) -> Sink<Rough, Store, SystemClock> {
        let rough = Rough { client: self.client.clone(), weather, number: AtomicUsize::new(0) };
        Sink::new(rough, self.archive.clone(), SystemClock)
    }

    pub(crate) async fn run(&self, sql: &str) -> String {
        self.client.run(sql, &[]).await.unwrap()
    }

    /// The rows of a query of `scripts/clickhouse/queries`.
    pub(crate) async fn query(&self, name: &str, about: About) -> Vec<Value> {
        self.query_with(name, about, &[]).await
    }

    /// The same with further parameters.
    pub(crate) async fn query_with(
        &self,
        name: &str,
        about: About,
        more: &[(&str, &str)],
    ) -> Vec<Value> {
        let file = suite::local::workspace().join(format!("scripts/clickhouse/queries/{name}.sql"));
        let sql = std::fs::read_to_string(file).unwrap();
        let sql = format!("{} FORMAT JSONEachRow", sql.trim_end().trim_end_matches(';'));
        let usual = [
            ("org", "acme"),
            ("product", about.product),
            ("from", about.from),
            ("to", about.to),
            ("limit", "1000"),
            ("sessions_min", "20"),
            ("rule", ""),
        ];
        let all: Vec<(&str, &str)> = usual
            .into_iter()
            .filter(|(name, _)| more.iter().all(|(other, _)| other != name))
            .chain(more.iter().copied())
            .filter(|(name, _)| sql.contains(&format!("{{{name}:")))
            .collect();
        let told = self.client.run(&sql, &all).await;
        let told = told.unwrap_or_else(|error| panic!("{name}: {error}"));
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Which inserts fail: a number for each, drawn from a seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather(pub(crate) u64);

/// A warehouse behind a way that loses one request in six, and one answer in six.
#[derive(Debug)]
pub(crate) struct Rough {
    client: ClickHouse,
    weather: Weather,
    number: AtomicUsize,
}

impl Warehouse for Rough {
    async fn insert(&self, table: Table, rows: &[String]) -> PortResult<Inserted> {
        let lost = || PortError::transient("warehouse.insert", "lost");
        let number = u64::try_from(self.number.fetch_add(1, Ordering::SeqCst)).unwrap();
        let fate = draw(self.weather.0 ^ number) % 6;
        if fate == 0 {
            return Err(lost());
        }
        let inserted = self.client.insert(table, rows).await?;
        if fate == 1 { Err(lost()) } else { Ok(inserted) }
    }
}

/// A number made of a number.
pub(crate) fn draw(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A name that no other database of the engine has.
fn unique() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_nanos();
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    format!("suite_{}_{now}_{number}", std::process::id())
}
