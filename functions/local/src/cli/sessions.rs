//! The arguments of the commands about sessions.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contract::{OrgId, ProductId, Timestamp, incident::Rule, session::SessionId};
use friction::change::SessionState;

use super::{DirArgs, StoreArgs, timestamp, wrong};

/// When what is asked about began.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SpanArgs {
    /// Only what began at this time (RFC 3339) or later.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    from: Option<Timestamp>,
    /// Only what began before this time.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    to: Option<Timestamp>,
}

impl SpanArgs {
    /// From and to, exclusive: all of time where nothing is said.
    pub(crate) fn bounds(self) -> anyhow::Result<(Timestamp, Timestamp)> {
        let from = self.from.unwrap_or(Timestamp::from_ms(i64::MIN));
        let to = self.to.unwrap_or(Timestamp::from_ms(i64::MAX));
        if to <= from {
            return Err(wrong("--to must be later than --from"));
        }
        Ok((from, to))
    }
}

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
    /// Only this product.
    #[arg(long)]
    pub(crate) product: Option<ProductId>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Only sessions that may go on, or only those that ended.
    #[arg(long, value_parser = state, value_name = "open|closed")]
    pub(crate) state: Option<SessionState>,
    /// List the newest so many; all are counted.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only count them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) count: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
    /// Only this product.
    #[arg(long)]
    pub(crate) product: Option<ProductId>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Only those that this rule found, such as rage_click.
    #[arg(long, value_parser = rule, value_name = "RULE")]
    pub(crate) rule: Option<Rule>,
    /// Only those of this session.
    #[arg(long, value_parser = session, value_name = "SESSION")]
    pub(crate) session: Option<SessionId>,
    /// List the newest so many; all are counted.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only count them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) count: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The session's id, as `tribo sessions` lists it.
    #[arg(value_parser = session)]
    pub(crate) session: SessionId,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Only in this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Show what differs from the built-in rules, and every setting that holds.
    Show {
        #[command(flatten)]
        place: DirArgs,
        /// The organisation.
        #[arg(long)]
        org: OrgId,
        /// What holds for this product.
        #[arg(long)]
        product: Option<ProductId>,
    },
    /// Put rules of a higher version. Closed sessions stay as they are until `tribo rescore` derives them again.
    Set {
        /// A JSON document such as `{"version":2,"rules":{"rage_click":{"gapMs":800}}}`; `-` reads standard input.
        file: PathBuf,
        #[command(flatten)]
        place: DirArgs,
        /// The organisation.
        #[arg(long)]
        org: OrgId,
    },
    /// Go back to the built-in rules, under the next version.
    Reset {
        #[command(flatten)]
        place: DirArgs,
        /// The organisation.
        #[arg(long)]
        org: OrgId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RescoreArgs {
    #[command(flatten)]
    pub(crate) place: DirArgs,
    /// The organisation.
    #[arg(long)]
    pub(crate) org: OrgId,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Say what would change and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) place: DirArgs,
    /// The organisation.
    #[arg(long)]
    pub(crate) org: OrgId,
    /// Only this product.
    #[arg(long)]
    pub(crate) product: Option<ProductId>,
    /// The rule, such as rage_click; `tribo rules show` lists all with their settings.
    #[arg(long, value_parser = rule, value_name = "RULE")]
    pub(crate) rule: Rule,
    /// What is tried, such as gapMs=800; may be given several times.
    #[arg(long, required = true, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Sessions that began at this time (RFC 3339) or later.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    pub(crate) from: Timestamp,
    /// Sessions that began before this time.
    #[arg(long, value_parser = timestamp, value_name = "T")]
    pub(crate) to: Timestamp,
    /// Show at most so many incidents that are gained, and as many that are lost.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) examples: usize,
}

fn state(text: &str) -> Result<SessionState, String> {
    match text {
        "open" => Ok(SessionState::Open),
        "closed" => Ok(SessionState::Closed),
        _ => Err("choose from open, closed".to_owned()),
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    let known = || Rule::ALL.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(", ");
    Rule::parse(text).ok_or_else(|| format!("choose from {}", known()))
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::parse(text).ok_or_else(|| "expected s_ and 32 hexadecimal digits".to_owned())
}
