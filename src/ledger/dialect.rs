//! What engines write differently: a small table of calls each, over what they share.

#[cfg(not(target_arch = "wasm32"))]
mod bigquery;
#[cfg(not(target_arch = "wasm32"))]
mod clickhouse;
mod common;
#[cfg(not(target_arch = "wasm32"))]
mod duckdb;
#[cfg(not(target_arch = "wasm32"))]
mod postgres;
#[cfg(not(target_arch = "wasm32"))]
mod snowflake;
#[cfg(not(target_arch = "wasm32"))]
mod spark;
mod sqlite;
#[cfg(not(target_arch = "wasm32"))]
mod trino;

/// An engine's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The record's own: D1.
    Sqlite,
    /// DuckDB, on the archive as it lies.
    #[cfg(not(target_arch = "wasm32"))]
    DuckDb,
    /// PostgreSQL.
    #[cfg(not(target_arch = "wasm32"))]
    Postgres,
    /// ClickHouse.
    #[cfg(not(target_arch = "wasm32"))]
    ClickHouse,
    /// BigQuery.
    #[cfg(not(target_arch = "wasm32"))]
    BigQuery,
    /// Snowflake.
    #[cfg(not(target_arch = "wasm32"))]
    Snowflake,
    /// Spark and Databricks.
    #[cfg(not(target_arch = "wasm32"))]
    Spark,
    /// Trino.
    #[cfg(not(target_arch = "wasm32"))]
    Trino,
}

/// The dialects by the names that people write.
#[cfg(not(target_arch = "wasm32"))]
pub const DIALECTS: [(&str, Dialect); 9] = [
    ("d1", Dialect::Sqlite),
    ("duckdb", Dialect::DuckDb),
    ("postgres", Dialect::Postgres),
    ("clickhouse", Dialect::ClickHouse),
    ("bigquery", Dialect::BigQuery),
    ("snowflake", Dialect::Snowflake),
    ("databricks", Dialect::Spark),
    ("spark", Dialect::Spark),
    ("trino", Dialect::Trino),
];

impl Dialect {
    /// What a call is here; `None` for one that no dialect knows.
    pub(super) fn call(self, name: &str, arguments: &[String]) -> Option<String> {
        let own = match self {
            Self::Sqlite => sqlite::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::DuckDb => duckdb::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Postgres => postgres::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::ClickHouse => clickhouse::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::BigQuery => bigquery::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Snowflake => snowflake::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Spark => spark::call(name, arguments),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Trino => trino::call(name, arguments),
        };
        own.or_else(|| common::call(name, arguments))
    }

    /// A text in quotes. Control characters, which no text of ours has, are left out.
    pub(super) fn quoted(self, text: &str) -> String {
        let mut quoted = String::from("'");
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            match letter {
                '\'' if self.escapes() => quoted.push_str("\\'"),
                '\'' => quoted.push_str("''"),
                '\\' if self.escapes() => quoted.push_str("\\\\"),
                letter => quoted.push(letter),
            }
        }
        quoted.push('\'');
        quoted
    }

    /// Whether a backslash in quotes means something.
    fn escapes(self) -> bool {
        #[cfg(not(target_arch = "wasm32"))]
        return matches!(self, Self::ClickHouse | Self::BigQuery | Self::Spark | Self::Snowflake);
        #[cfg(target_arch = "wasm32")]
        false
    }

    /// Whether the record's tables are asked, not the archive's events.
    pub(super) fn is_record(self) -> bool {
        self == Self::Sqlite
    }
}
