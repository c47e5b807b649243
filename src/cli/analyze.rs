//! `sortition analyze`: statistics of given aggregates, line by line, so that any amount can be piped through.

use super::complain_line;
use crate::stats::analyze::analyze_line;
use clap::Args;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::ExitCode;

/// Compute statistics of given aggregates, one JSON line each.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line is {\"id\", \"op\", \"in\"}; the answer is {\"id\", \"out\"}, or {\"id\", \"error\"} and exit status 1.

Examples:
  echo '{\"id\": 1, \"op\": \"srm\", \"in\": {\"counts\": [5060, 4940], \"weights\": [1, 1]}}' | sortition analyze
  sortition analyze aggregates.jsonl > results.jsonl"
)]
pub(super) struct Arguments {
    /// JSON lines; absent or `-`: standard input.
    file: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let lines: Box<dyn BufRead> = match arguments.file.as_deref() {
        None | Some("-") => Box::new(std::io::stdin().lock()),
        Some(file) => match File::open(file) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => {
                complain_line(&format!(
                    "error: `{file}` cannot be read: {error}; name a file, or - for standard input"
                ));
                return ExitCode::from(2);
            }
        },
    };
    let mut out = std::io::stdout().lock();
    let mut failed = 0_usize;
    for line in lines.split(b'\n') {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                complain_line(&format!("error: the input cannot be read on: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        let answer = analyze_line(&line);
        failed += usize::from(is_failure(&answer));
        if let Err(error) = writeln!(out, "{answer}").and_then(|()| out.flush()) {
            // why: a reader that has seen enough (`| head`) is no failure
            return if error.kind() == ErrorKind::BrokenPipe { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    if failed > 0 {
        complain_line(&format!("error: {} could not be answered; see their `error`", super::count(failed, "line")));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn is_failure(answer: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(answer).is_ok_and(|answer| answer.get("error").is_some())
}
