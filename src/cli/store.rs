//! The record and the archive: D1 `LEDGER` (and `LEDGER_1` to `LEDGER_15`) and R2 `ARCHIVE`, through wrangler's bindings,
//! since its commands list no objects.

use super::Failure;
use super::installed::Package;
use super::kv::{KvArguments, node};
use crate::ledger::placement::{self, PLACEMENT, Placement};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The other side: asks wrangler's bindings, line by line.
const SCRIPT: &str = concat!(include_str!("scripts/configuration.mjs"), include_str!("store.mjs"));

/// What stands before a line of the script's, among what wrangler prints.
const MARK: &str = "@sortition ";

/// Database and bucket, open.
pub(super) struct Store {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// How many databases the record lies in, once they were asked.
    databases: Option<u8>,
}

/// What came of one statement.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    /// The rows that it returns, as objects.
    pub(super) rows: Vec<Value>,
    /// How many rows it changed.
    pub(super) changes: u64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    value: Value,
    error: Option<String>,
}

impl Store {
    /// Opens them where the arguments say.
    pub(super) fn open(arguments: &KvArguments) -> Result<Self, Failure> {
        Package::Wrangler.required()?;
        let place = json!({
            "local": arguments.local,
            "persistTo": arguments.persist_to,
            "environment": arguments.wrangler_env,
        });
        let unable = |why: String| Failure::Outside(format!("wrangler's bindings cannot be opened: {why}"));
        let mut child = Command::new(node())
            // why: the threads that wrangler starts inherit flags, and --input-type would break them
            .args(["--eval", SCRIPT])
            .env("SORTITION_STORE", place.to_string())
            .envs([("WRANGLER_SEND_METRICS", "false"), ("WRANGLER_LOG", "error"), ("NO_COLOR", "1")])
            .envs([("CLOUDFLARE_CF_FETCH_ENABLED", "false")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| unable(format!("node cannot be run: {error}")))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| unable("it says nothing".to_owned()))?;
        Ok(Self { child, input, output: BufReader::new(output), databases: None })
    }

    /// How many databases the record lies in: a worker may do without one. Fails where one of them is missing, or is another
    /// than it was: what is asked of the others would be half of an answer.
    pub(super) fn databases(&mut self) -> Result<u8, Failure> {
        if let Some(databases) = self.databases {
            return Ok(databases);
        }
        let databases = self.ask(&json!({"op": "databases"}), "look for the record")?;
        let mut found = Vec::new();
        for number in 0..databases {
            let rows = self.rows_in(number, PLACEMENT, json!([]))?;
            let row = rows.first().and_then(|row| row.get("r")?.as_str());
            let placement = row.and_then(|row| serde_json::from_str::<Placement>(row).ok());
            found.push((number, placement.ok_or_else(|| nameless(number))?));
        }
        if let Some(problem) = placement::problems(databases, &found).into_iter().next() {
            return Err(Failure::refused("LEDGER", format!("{problem}: see docs/deploy.md, More databases")));
        }
        self.databases = Some(databases);
        Ok(databases)
    }

    /// Whether there is a bucket: a worker may do without one.
    pub(super) fn has_archive(&mut self) -> Result<bool, Failure> {
        self.ask(&json!({"op": "archive"}), "look for the archive")
    }

    /// The keys of the bucket that begin with a text.
    pub(super) fn list(&mut self, prefix: &str) -> Result<Vec<String>, Failure> {
        self.ask(&json!({"op": "list", "prefix": prefix}), "list the archive")
    }

    /// The texts of objects, all at once: a few dozen.
    pub(super) fn get(&mut self, keys: &[String]) -> Result<Vec<Option<String>>, Failure> {
        self.ask(&json!({"op": "get", "keys": keys}), "read the archive")
    }

    /// Writes an object.
    pub(super) fn put(&mut self, key: &str, text: &str) -> Result<(), Failure> {
        self.ask(&json!({"op": "put", "key": key, "text": text}), "write to the archive")
    }

    /// Copies objects into a folder, under their keys; what is not there is left out.
    pub(super) fn fetch(&mut self, keys: &[String], folder: &std::path::Path) -> Result<(), Failure> {
        self.ask(&json!({"op": "fetch", "keys": keys, "folder": folder}), "read the archive")
    }

    /// Copies files of a folder into the archive, under the same keys.
    pub(super) fn send(&mut self, keys: &[String], folder: &std::path::Path) -> Result<(), Failure> {
        self.ask(&json!({"op": "send", "keys": keys, "folder": folder}), "write to the archive")
    }

    /// What tells an object from what it will be once it is written anew; `None` where there is none.
    pub(super) fn etag(&mut self, key: &str) -> Result<Option<String>, Failure> {
        self.ask(&json!({"op": "etag", "key": key}), "read the archive")
    }

    /// Copies a file of a folder into the archive where the object is still the one with this etag; the new etag, or `None`
    /// where it is another one.
    pub(super) fn swap(
        &mut self,
        key: &str,
        folder: &std::path::Path,
        etag: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        self.ask(&json!({"op": "swap", "key": key, "folder": folder, "etag": etag}), "write to the archive")
    }

    /// Writes a file as an object of a content type.
    pub(super) fn put_file(&mut self, key: &str, file: &std::path::Path, kind: &str) -> Result<(), Failure> {
        self.ask(&json!({"op": "putFile", "key": key, "file": file, "kind": kind}), "write to the archive")
    }

    /// Removes objects, at most a thousand.
    pub(super) fn delete(&mut self, keys: &[String]) -> Result<(), Failure> {
        self.ask(&json!({"op": "delete", "keys": keys}), "delete from the archive")
    }

    /// Runs statements with their parameters in one transaction of the first database.
    pub(super) fn run(&mut self, statements: &[(&str, Value)]) -> Result<Vec<Outcome>, Failure> {
        self.run_in(0, statements)
    }

    /// Runs statements with their parameters in one transaction of a database, by its number.
    pub(super) fn run_in(&mut self, number: u8, statements: &[(&str, Value)]) -> Result<Vec<Outcome>, Failure> {
        let one = |(sql, parameters): &(&str, Value)| json!({"sql": sql, "parameters": parameters});
        let statements: Vec<Value> = statements.iter().map(one).collect();
        self.ask(&json!({"op": "run", "statements": statements, "number": number}), "ask the record")
    }

    /// The rows of one statement in a database, by its number.
    pub(super) fn rows_in(&mut self, number: u8, sql: &str, parameters: Value) -> Result<Vec<Value>, Failure> {
        Ok(self.run_in(number, &[(sql, parameters)])?.into_iter().next().unwrap_or_default().rows)
    }

    /// The rows of one statement in all databases.
    pub(super) fn rows(&mut self, sql: &str, parameters: &Value) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        // why: without any the first says what is missing
        for number in 0..self.databases()?.max(1) {
            rows.extend(self.rows_in(number, sql, parameters.clone())?);
        }
        Ok(rows)
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, question: &Value, doing: &str) -> Result<T, Failure> {
        let failed = |why: String| Failure::Outside(format!("wrangler could not {doing}: {why}"));
        let gone = || failed("it ended; see above".to_owned());
        let input = self.input.as_mut().ok_or_else(gone)?;
        writeln!(input, "{question}").and_then(|()| input.flush()).map_err(|_| gone())?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(|error| failed(error.to_string()))? == 0 {
                return Err(gone());
            }
            let Some(text) = line.strip_prefix(MARK) else { continue };
            let answer: Answer = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
            if let Some(why) = answer.error {
                let is_old = ["no such table", "no such column", "has no column"].iter().any(|one| why.contains(one));
                let hint = if is_old { "; apply the migrations first: sortition upgrade" } else { "" };
                return Err(failed(format!("{why}{hint}")));
            }
            return serde_json::from_value(answer.value).map_err(|error| failed(error.to_string()));
        }
    }
}

fn nameless(number: u8) -> Failure {
    let name = placement::binding(number);
    Failure::Outside(format!("{name} does not say which database it is; apply the migrations first: sortition upgrade"))
}

impl Drop for Store {
    fn drop(&mut self) {
        // why: the script ends with its input, and lets wrangler finish what it writes
        self.input = None;
        let _ = self.child.wait();
    }
}
