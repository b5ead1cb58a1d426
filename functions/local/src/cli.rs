//! The command line: what `tribo --help` says.

mod sessions;
mod warehouse;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};
use contract::{EventId, OrgId, Timestamp};
use domain::api_key::Scope;

pub(crate) use self::{
    sessions::{ExplainArgs, IncidentsArgs, RescoreArgs, RulesCommand, SessionsArgs, TuneArgs},
    warehouse::{LoadArgs, WarehouseArgs, WarehouseCommand},
};

/// Tribometer measures friction: where people override, challenge, abandon, rage-click and give up. Every accepted
/// event is pseudonymised, counted exactly once, archived, and forwarded per organisation to a connector that may be
/// slow, broken or hostile; at each moment it is in exactly one visible state.
#[derive(Debug, Parser)]
#[command(name = "tribo", version, propagate_version = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// How log lines are written to standard error: readable on a terminal, JSON elsewhere unless you choose.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "TRIBO_LOG_FORMAT",
        value_name = "FORMAT",
        display_order = 100
    )]
    pub(crate) log_format: Option<LogFormat>,
    /// A level, or a list of target=level.
    #[arg(
        long,
        global = true,
        default_value = "info",
        env = "TRIBO_LOG",
        value_name = "LEVEL",
        display_order = 100
    )]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object per line, metrics included.
    Json,
    /// One readable line.
    Human,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole suite once on a temporary directory, with a simulated product and a misbehaving connector, and
    /// prove that every event is accounted for.
    Demo(DemoArgs),
    /// Run the suite as a server on one machine: the door, the processor, the batcher and the books. It holds 1,000
    /// streams of contexts open, 250 of one organisation and 100 of one key, and answers 429 to more.
    Local(LocalArgs),
    /// Send events from a file, one JSON event per line. Safe to repeat and to interrupt.
    Send(SendArgs),
    /// Show what became of every event, per organisation. Exit code 5 when a ledger does not balance.
    Ledger(LedgerArgs),
    /// Show where one event is and every station it passed. Exit code 4 when nobody knows it.
    Where(WhereArgs),
    /// Show the counters.
    Counters(CountersArgs),
    /// Recompute every counter from the archive and compare. Exit code 5 when one differs.
    Audit(AuditArgs),
    /// List or count sessions, newest first.
    Sessions(SessionsArgs),
    /// List or count incidents, newest first: moments that hurt, and which rule saw them.
    Incidents(IncidentsArgs),
    /// Explain everything that makes the numbers of one session. Exit code 4 when nobody knows it.
    Explain(ExplainArgs),
    /// Show and change what counts as friction for an organisation.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Derive the sessions that began within a time again, and those that follow them, under the rules and baselines of
    /// today. Safe to repeat and beside a running server.
    Rescore(RescoreArgs),
    /// Compare what is found today with what would be under other settings of a rule, from the archive. Nothing is written.
    Tune(TuneArgs),
    /// Create, list and revoke callers' keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create and list organisations.
    #[command(subcommand)]
    Orgs(OrgsCommand),
    /// Record which experiment and variant an actor was assigned to, for the processor's enrichment.
    Assign(AssignArgs),
    /// Run stored events through the suite again: what is done already stays done.
    Replay(ReplayArgs),
    /// Make, fill and watch a warehouse: ClickHouse, for questions that nobody thought of before.
    #[command(subcommand)]
    Warehouse(WarehouseCommand),
    /// Print or write the JSON Schemas of everything that crosses a process boundary.
    Schema(SchemaArgs),
    /// Copy a data directory while the server runs.
    Backup(BackupArgs),
}

/// Where the store is that a command reads: a data directory, or a running server.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Ask a running server instead of opening the directory. With a `read` key it tells of that key's organisations,
    /// with an `admin` key of all.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The key for --url.
    #[arg(long, env = "TRIBO_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the store is that a command opens itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// The data directory of `tribo local`; a running server may use it at the same time.
    #[arg(long, env = "TRIBO_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// A stage deployed to AWS instead of the directory: `.tribo/NAME.env`, which `scripts/deploy` writes, names its
    /// tables, stream and buckets. Credentials come from the environment (AWS_ACCESS_KEY_ID, …).
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "NAME", conflicts_with = "data_dir")]
    pub(crate) stage: Option<String>,
}

/// Where the store is that a command changes: a data directory, or a deployed stage.
#[derive(Debug, Clone, Args)]
pub(crate) struct DirArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Seeds the simulated product: the same seed gives the same events.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// How many events the product makes, at least 20,000 for every family and fault to occur.
    #[arg(long, default_value_t = 24_000, value_parser = clap::value_parser!(u64).range(1_000..=500_000))]
    pub(crate) events: u64,
    /// Write here instead of to a temporary directory; must be empty or absent.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LocalArgs {
    /// Where everything is kept: one SQLite file, the keys (mode 0600), the archive. Created when absent.
    #[arg(long, env = "TRIBO_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The address to listen on. On loopback, where requests by other names or from web pages are turned away, the
    /// first start makes a key; any other address needs one to exist (`tribo keys create`).
    #[arg(long, env = "TRIBO_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// The connector's base URL: https, or http on loopback. Without it the built-in mock connector is used.
    #[arg(long, env = "FRICTIONMELT_API_URL", value_name = "URL")]
    pub(crate) connector: Option<String>,
    /// The connector's key, or `file:/path` of it.
    #[arg(long, env = "FRICTIONMELT_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) connector_key: Option<String>,
    /// Secrets that sign each delivery (Standard Webhooks, `whsec_…`), the newest first, two during a rotation; or
    /// `file:/path` of them. Without any, one is made and kept in the data directory as `signing-secret`.
    #[arg(
        long,
        env = "FRICTIONMELT_SIGNING_SECRETS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "SECRET[,SECRET]"
    )]
    pub(crate) connector_secret: Vec<String>,
    /// The connector's dialect: `athena-eu`, `frictionmelt-2026-02`, or a profile written as a JSON object.
    #[arg(long, env = "FRICTIONMELT_PROFILE", default_value = "athena-eu", value_name = "PROFILE")]
    pub(crate) profile: String,
    /// True: use the mock even when a URL and a key are given.
    #[arg(long, env = "FRICTIONMELT_MOCK_MODE", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) mock: Option<bool>,
    /// How often waiting events are batched and delivered. Severity 4 and 5 do not wait for it.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub(crate) tick: std::time::Duration,
    /// How long an event rests before a tick may batch it, so that events are sent in the order in which they came.
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) settle: std::time::Duration,
    /// How long a session whose pause is long enough is held open for events that are on their way.
    #[arg(long, default_value = "5m", value_parser = duration, value_name = "DURATION")]
    pub(crate) session_grace: std::time::Duration,
    /// The longest first pause after a failed delivery; from failure to failure it doubles, up to an hour.
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "DURATION")]
    pub(crate) backoff: std::time::Duration,
    /// Shards of the stream: how many batches are processed at the same time.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) shards: u32,
    /// Most events per second that one key may send on average; bursts of three times as many pass. Beyond it the
    /// server answers 429, which `tribo send` waits out.
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_limit: u32,
    /// Connections at once, streams included. Beyond it the server answers 503 and hangs up. One that says nothing for 30
    /// seconds, or reads nothing of its answer, is ended. Each takes a file descriptor, of which a process usually has 1,024:
    /// whoever wants more connections allows more of those too.
    #[arg(long, default_value_t = 800, value_name = "N", value_parser = connections)]
    pub(crate) connections: usize,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseArgs,
    /// Once the server listens, print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// NDJSON, plain or gzip; `-` reads standard input.
    pub(crate) file: PathBuf,
    /// The server.
    #[arg(long, env = "TRIBO_URL", default_value = "http://127.0.0.1:8787")]
    pub(crate) url: String,
    /// A key with the scope `ingest`; `tribo keys create` makes one.
    #[arg(long, env = "TRIBO_KEY", hide_env_values = true)]
    pub(crate) key: String,
    /// Events per request.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) batch: u32,
    /// Requests in flight at once.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) concurrency: u32,
    /// How long a request is retried before the command gives up; what was sent stays sent.
    #[arg(long, default_value = "2m", value_parser = duration, value_name = "DURATION")]
    pub(crate) patience: std::time::Duration,
    /// Exit with 3 when any event was rejected.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Do not look for, and do not keep, a progress file beside FILE.
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
}

#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    /// The event's id.
    pub(crate) event_id: EventId,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only in this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
}

#[derive(Debug, Args)]
pub(crate) struct CountersArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
    /// From this time of occurrence (RFC 3339).
    #[arg(long, value_parser = timestamp, value_name = "T")]
    pub(crate) from: Option<Timestamp>,
    /// To this time of occurrence, exclusive.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    pub(crate) to: Option<Timestamp>,
    /// Show the largest so many; 0 shows all.
    #[arg(long, default_value_t = 20)]
    pub(crate) top: usize,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key. It is shown this once.
    Create {
        #[command(flatten)]
        place: DirArgs,
        /// The organisation it is bound to; made when it does not exist.
        #[arg(long)]
        org: OrgId,
        /// What it may do: `ingest` sends events, `read` sees its organisation's books, `admin` everything, for all.
        #[arg(long, value_delimiter = ',', default_value = "ingest", value_parser = scope, value_name = "SCOPE[,SCOPE]")]
        scope: Vec<Scope>,
    },
    /// List keys, without their secrets.
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make a key invalid from now on.
    Revoke {
        /// The key's id, as `tribo keys list` shows it.
        key_id: String,
        #[command(flatten)]
        place: DirArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrgsCommand {
    /// Create an organisation. Creating it again changes nothing.
    Create {
        /// 1 to 64 of `[A-Za-z0-9_-]`.
        org: OrgId,
        #[command(flatten)]
        place: DirArgs,
    },
    /// List organisations.
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// NDJSON of `{"productId","actorId","experimentId","variantId","assignedAt"}`; `-` reads standard input. Actors
    /// are turned into tokens before anything is stored.
    pub(crate) file: PathBuf,
    /// The organisation.
    #[arg(long)]
    pub(crate) org: OrgId,
    #[command(flatten)]
    pub(crate) place: DirArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) place: DirArgs,
    /// The organisation.
    #[arg(long)]
    pub(crate) org: OrgId,
    /// From this time (RFC 3339) of arrival, or of parking.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    pub(crate) from: Timestamp,
    /// Given twice: to this time (exclusive), and what the events go through again: `counters` counts what is not
    /// counted yet, `forward` delivers what is not delivered yet, `sessions` makes sessions of archived events, as they
    /// were or are by now; the time should hold whole sessions.
    #[arg(long, required = true, value_parser = replay_to, value_name = "T|counters|forward|sessions")]
    pub(crate) to: Vec<ReplayTo>,
    /// Where the events come from.
    #[arg(long, value_enum)]
    pub(crate) source: ReplaySource,
    /// Say what would be done and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many events per second, as `N/s`.
    #[arg(long, value_parser = rate, value_name = "N/s")]
    pub(crate) rate: Option<u32>,
    /// The connector's dialect, as given to `tribo local`: what surrounds parked events that are sent again.
    #[arg(long, env = "FRICTIONMELT_PROFILE", default_value = "athena-eu", value_name = "PROFILE")]
    pub(crate) profile: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplaySource {
    /// Everything that was counted.
    Archive,
    /// What was set aside.
    Quarantine,
    /// What the connector refused.
    Parked,
}

/// One value of `--to`: the end of the time, or the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayTo {
    Time(Timestamp),
    Target(ReplayTarget),
    /// Make sessions.
    Sessions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayTarget {
    /// Count what is not counted yet.
    Counters,
    /// Forward what is not forwarded yet.
    Forward,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Write one file per schema here instead of printing them.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object: schemas by file name.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where to; must be empty or absent.
    pub(crate) dir: PathBuf,
    /// The data directory of `tribo local`; a running server may use it at the same time.
    #[arg(long, env = "TRIBO_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments that are each right, but not together.
pub(crate) fn wrong(why: &str) -> anyhow::Error {
    Cli::command().error(ErrorKind::ArgumentConflict, why).into()
}

fn connections(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=100_000).contains(count));
    count.ok_or_else(|| "expected a whole number from 1 to 100000".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text.trim()).ok_or_else(|| "choose from ingest, read, admin".to_owned())
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_time_or_day(text).ok_or_else(|| {
        "expected RFC 3339 with an offset, such as 2026-02-12T00:00:00Z, or a day".to_owned()
    })
}

fn replay_to(text: &str) -> Result<ReplayTo, String> {
    match text {
        "counters" => Ok(ReplayTo::Target(ReplayTarget::Counters)),
        "forward" => Ok(ReplayTo::Target(ReplayTarget::Forward)),
        "sessions" => Ok(ReplayTo::Sessions),
        _ => timestamp(text)
            .map(ReplayTo::Time)
            .map_err(|_| "expected a time, `counters`, `forward` or `sessions`".to_owned()),
    }
}

/// Reads `250ms`, `10s`, `5m`, `2h`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a number and ms, s, m or h, such as 5m".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "expected a number and a unit, such as 5m".to_owned())?;
    match number.checked_mul(ms) {
        Some(ms) if ms > 0 => Ok(std::time::Duration::from_millis(ms)),
        Some(_) | None => Err("must be more than nothing".to_owned()),
    }
}

/// Reads `250/s`.
fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a rate such as 250/s".to_owned())
}

const DATA_DIR: &str = "tribo-data";
const AFTER_HELP: &str = "\
Begin here:
  tribo demo                                    see the whole suite at work, and its books at the end
  tribo local --data-dir data                   run it; the first start prints a key
  tribo send events.ndjson --key fk_…           send events to it
  tribo ledger --data-dir data                  see what became of them
  tribo where EVENT_ID --data-dir data          see where one of them is

Exit codes: 0 done · 1 failed · 2 wrong arguments · 3 events rejected (--strict) · 4 event or session unknown · 5 not balanced";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_rfc_3339_or_a_day() {
        assert_eq!(timestamp("2026-02-12"), timestamp("2026-02-12T01:00:00+01:00"));
        assert!(timestamp("2026-02-12T00:00:00").is_err() && timestamp("yesterday").is_err());
    }

    #[test]
    fn durations_need_a_unit_and_are_more_than_nothing() {
        assert_eq!(duration("5m"), Ok(std::time::Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(std::time::Duration::from_millis(250)));
        for bad in
            ["", "5", "m", "0s", "-1s", "5 m", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
