//! The arguments about the warehouse.

use clap::{Args, Subcommand};
use connector::{
    Source,
    warehouse::{ClickHouse, Settings, WarehouseUrl},
};
use contract::OrgId;

use super::{PlaceArgs, sessions::SpanArgs};

/// Which warehouse, and as whom.
#[derive(Clone, Args)]
pub(crate) struct WarehouseArgs {
    /// A ClickHouse that gets events, sessions and incidents as rows: https, or http on loopback. `tribo warehouse
    /// apply` makes its tables.
    #[arg(long, env = "CLICKHOUSE_URL", value_name = "URL")]
    warehouse: Option<String>,
    /// Its database.
    #[arg(long, env = "CLICKHOUSE_DATABASE", default_value = "default", value_name = "NAME")]
    warehouse_database: String,
    /// Its user.
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default", value_name = "NAME")]
    warehouse_user: String,
    /// The user's password, or `file:/path` of it.
    #[arg(long, env = "CLICKHOUSE_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    warehouse_password: Option<String>,
}

impl WarehouseArgs {
    /// The warehouse, if one is named.
    pub(crate) fn client(&self) -> anyhow::Result<Option<ClickHouse>> {
        let Some(url) = &self.warehouse else { return Ok(None) };
        let settings = Settings {
            url: WarehouseUrl::parse(url)?,
            database: self.warehouse_database.clone(),
            user: self.warehouse_user.clone(),
        };
        let password = self.warehouse_password.as_deref().unwrap_or_default();
        Ok(Some(ClickHouse::new(settings, Source::parse(password))?))
    }

    /// The warehouse, which must be named.
    pub(crate) fn needed(&self) -> anyhow::Result<ClickHouse> {
        let client = self.client()?;
        client.ok_or_else(|| super::wrong("name the warehouse: --warehouse or CLICKHOUSE_URL"))
    }
}

impl std::fmt::Debug for WarehouseArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarehouseArgs").finish_non_exhaustive()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum WarehouseCommand {
    /// Make the warehouse's tables and views. Safe to repeat; tables that exist stay as they are.
    Apply {
        #[command(flatten)]
        warehouse: WarehouseArgs,
        /// Print the statements instead of running them.
        #[arg(long)]
        print: bool,
        /// Print one JSON object on standard output and nothing else there.
        #[arg(long)]
        json: bool,
    },
    /// Show what the warehouse has not got yet.
    Status {
        #[command(flatten)]
        place: PlaceArgs,
        /// Print one JSON object on standard output and nothing else there.
        #[arg(long)]
        json: bool,
    },
    /// Insert what is kept: archived events of the last 35 days, closed sessions, incidents. For a warehouse that is
    /// new, or was away for more than a week; safe to repeat and beside a running server.
    Load(Box<LoadArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) warehouse: WarehouseArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Only this organisation.
    #[arg(long)]
    pub(crate) org: Option<OrgId>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
}
