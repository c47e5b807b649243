//! Engines that the tool asks itself: DuckDB over an archive, PostgreSQL and ClickHouse by their URL.

use crate::cli::Failure;
use crate::cli::installed::Package;
use crate::cli::kv::node;
use crate::ledger::dialect::Dialect;
use crate::ledger::question::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The archive in DuckDB: what it can be asked stands in it.
pub(in crate::cli) const ARCHIVE: &str = include_str!("archive.mjs");
const SERVER: &str = include_str!("server.mjs");

/// What stands before a line of a script's.
const MARK: &str = "@sortition ";

/// Where to ask.
pub(super) struct Engine {
    /// Its name as people write it: `DuckDB`.
    pub(super) name: &'static str,
    /// Its SQL.
    pub(super) dialect: Dialect,
    script: String,
    question: Value,
}

/// What an engine said.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// The rows of each statement, or why there are none.
    pub(super) answers: Vec<Result<Value, String>>,
    /// How many events there were to read, where that is known.
    pub(super) read: Option<u64>,
    /// What could not be read, in sentences.
    pub(super) incomplete: Vec<String>,
}

/// What an engine is to do.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Statement<'a> {
    /// Make a table; `kept`, or a view.
    Table { table: &'a str, sql: &'a str, kept: bool },
    /// Answer.
    Question { sql: &'a str },
}

impl<'a> Statement<'a> {
    pub(super) fn table(table: &'a Table) -> Self {
        Self::Table { table: table.name, sql: &table.sql, kept: table.is_kept }
    }
}

#[derive(Deserialize)]
struct Line {
    rows: Option<Value>,
    error: Option<String>,
    failed: Option<String>,
    read: Option<u64>,
    incomplete: Option<Vec<String>>,
}

impl Engine {
    /// Reads `duckdb:PATH`, `postgres:URL`, `clickhouse:URL`.
    pub(super) fn parse(from: &str) -> Result<Self, Failure> {
        let (engine, place) = from.split_once(':').unwrap_or((from, ""));
        if place.is_empty() {
            return Err(Failure::Usage(format!(
                "--from {from}: write duckdb:PATH, postgres:URL or clickhouse:URL, or print the statements with --sql"
            )));
        }
        // why: `postgres://host/shop` is a URL and names the engine itself
        let url = if place.starts_with("//") && engine != "clickhouse" { from } else { place };
        let (name, dialect) = match engine {
            "duckdb" => {
                let script = ARCHIVE.to_owned();
                let question = json!({"op": "readout", "folder": place});
                return Ok(Self { name: "DuckDB", dialect: Dialect::DuckDb, script, question });
            }
            "postgres" | "postgresql" => ("PostgreSQL", Dialect::Postgres),
            "clickhouse" => ("ClickHouse", Dialect::ClickHouse),
            _ => {
                return Err(Failure::Usage(format!(
                    "--from {from}: the tool itself asks duckdb, postgres and clickhouse; elsewhere take --sql and --answers"
                )));
            }
        };
        let url =
            if engine == "clickhouse" && place.starts_with("//") { format!("http:{place}") } else { url.to_owned() };
        let word = if name == "PostgreSQL" { "postgres" } else { "clickhouse" };
        let question = json!({"url": format!("{word}:{url}")});
        Ok(Self { name, dialect, script: SERVER.to_owned(), question })
    }

    /// Has every statement done, in their order; `told` hears how many questions are answered.
    pub(super) fn ask(&self, statements: &[Statement<'_>], told: impl FnMut(usize)) -> Result<Reply, Failure> {
        let mut question = self.question.clone();
        if let Some(fields) = question.as_object_mut() {
            fields.insert("statements".to_owned(), json!(statements));
        }
        let mut reply = Reply::default();
        let mut told = told;
        run(self.name, &self.script, &question, |line: Line| {
            if let Some(why) = line.failed {
                return Err(why);
            }
            if let Some(incomplete) = line.incomplete {
                reply.read = line.read;
                reply.incomplete = incomplete;
                return Ok(());
            }
            reply.answers.push(line.rows.ok_or_else(|| line.error.unwrap_or_else(|| "no rows".to_owned())));
            told(reply.answers.len());
            Ok(())
        })?;
        let questions = statements.iter().filter(|one| matches!(one, Statement::Question { .. })).count();
        if reply.answers.len() == questions {
            // why: one that cannot be reached has answered nothing, and its page would be an empty record's
            return match reply.answers.first() {
                Some(Err(why)) if reply.answers.iter().all(Result::is_err) => {
                    let advice = "it answered no question; check the address, and that the events are there";
                    Err(Failure::Outside(format!("{} cannot be asked: {}: {advice}", self.name, why.trim())))
                }
                _ => Ok(reply),
            };
        }
        let why = format!("it answered {} of {questions} questions", reply.answers.len());
        Err(Failure::Outside(format!("{} cannot be asked: {why}", self.name)))
    }
}

/// Runs a script of node's that reads a JSON text and writes marked lines of JSON.
pub(in crate::cli) fn run<T: serde::de::DeserializeOwned>(
    name: &str,
    script: &str,
    question: &Value,
    mut heard: impl FnMut(T) -> Result<(), String>,
) -> Result<(), Failure> {
    if script == ARCHIVE {
        Package::DuckDb.required()?;
    }
    let unable = |why: String| Failure::Outside(format!("{name} cannot be asked: {why}"));
    let mut child = Command::new(node())
        .args(["--input-type=module", "--eval", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| unable(format!("node cannot be run: {error}")))?;
    let input = child.stdin.take().ok_or_else(|| unable("it takes no question".to_owned()))?;
    // why: dropped, so that the script sees the end of its question
    { input }.write_all(question.to_string().as_bytes()).map_err(|error| unable(error.to_string()))?;
    let output = child.stdout.take().ok_or_else(|| unable("it says nothing".to_owned()))?;
    let mut failed = None;
    for line in BufReader::new(output).lines() {
        let read = line.map_err(|error| error.to_string()).and_then(|line| match line.strip_prefix(MARK) {
            Some(text) => serde_json::from_str(text).map_err(|error| error.to_string()).and_then(&mut heard),
            None => Ok(()),
        });
        failed = read.err().or(failed);
    }
    let status = child.wait().map_err(|error| unable(error.to_string()))?;
    match failed {
        Some(why) => Err(unable(why)),
        // why: what could not even be loaded says so on its own
        None if !status.success() => Err(unable(format!("its script ended with {status}, as written above"))),
        None => Ok(()),
    }
}
