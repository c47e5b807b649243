//! Engines that the tool runs itself.

use crate::cli::Failure;
use crate::cli::kv::node;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The other side; see there.
const SCRIPT: &str = include_str!("duckdb.mjs");

/// What stands before a line of the script's.
const MARK: &str = "@sortition ";

/// The table of events over the archive as it lies: what docs/warehouse.md tells people to write.
const VIEW: &str = include_str!("events.duckdb.sql");

#[derive(Deserialize)]
struct Answer {
    rows: Option<Value>,
    error: Option<String>,
}

/// The rows of each statement, asked of DuckDB over the archive in a folder (which holds `events/`). `told` hears how many
/// are answered.
pub(super) fn duckdb(folder: &str, statements: &[&str], mut told: impl FnMut(usize)) -> Result<Vec<Value>, Failure> {
    let unable = |why: String| Failure::Outside(format!("DuckDB cannot be asked: {why}"));
    let mut child = Command::new(node())
        .args(["--input-type=module", "--eval", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| unable(format!("node cannot be run: {error}")))?;
    let question = json!({"folder": folder, "view": VIEW, "statements": statements}).to_string();
    let input = child.stdin.take().ok_or_else(|| unable("it takes no question".to_owned()))?;
    // why: dropped, so that the script sees the end of its question
    { input }.write_all(question.as_bytes()).map_err(|error| unable(error.to_string()))?;
    let output = child.stdout.take().ok_or_else(|| unable("it says nothing".to_owned()))?;
    let mut answers = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| unable(error.to_string()))?;
        let Some(text) = line.strip_prefix(MARK) else { continue };
        let answer: Answer = serde_json::from_str(text).map_err(|error| unable(error.to_string()))?;
        match (answer.rows, answer.error) {
            (Some(rows), _) => answers.push(rows),
            (None, why) => return Err(unable(why.unwrap_or_else(|| "it answers without rows".to_owned()))),
        }
        told(answers.len());
    }
    let _ = child.wait();
    if answers.len() == statements.len() {
        return Ok(answers);
    }
    Err(unable(format!("it answered {} of {} questions", answers.len(), statements.len())))
}
