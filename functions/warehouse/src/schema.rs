//! The tables, as `scripts/clickhouse` has them.

/// A statement that makes a table or a view, and can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The table or the view.
    pub name: &'static str,
    /// SQL.
    pub sql: &'static str,
}

macro_rules! statements {
    ($($file:literal $name:literal,)*) => {
        /// Every table, then every view, in the order in which they are made.
        pub const STATEMENTS: &[Statement] = &[$(Statement {
            name: $name,
            sql: include_str!(concat!("../../../scripts/clickhouse/", $file, "_", $name, ".sql")),
        },)*];
    };
}

statements! {
    "01" "events_raw",
    "02" "fact_sessions",
    "03" "fact_incidents",
    "11" "fact_screen_hotspots",
    "12" "fact_flows",
    "13" "fact_flow_steps",
    "14" "fact_tasks",
    "15" "fact_pillars",
    "16" "fact_signals",
}
