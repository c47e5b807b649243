//! `sortition check`: every problem of a document at once.

use super::place::Place;
use super::terminal::{self, bad, good};
use super::{clock, complain_in, count, fail, has_errors, input, line, listed_in, places_of, print, word};
use crate::document::{PolicyProblems, Problem, Severity, check_text, policy};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::process::ExitCode;

/// Find every problem of a document.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition check experiments.json
  sortition check - < experiments.json
  sortition check experiments.json --format github     annotations on a pull request
  sortition check experiments.json --json")]
pub(super) struct Arguments {
    /// The document; `-` reads standard input.
    file: String,
    /// How problems are shown beside the lines on standard error.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Refuse warnings too, and what is risky without the approvals that `policy` wants.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Human,
    /// Workflow commands that GitHub shows beside the lines of a pull request.
    Github,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> ExitCode {
    match input::read(&arguments.file) {
        Ok(text) => check(arguments, &text, json),
        Err(failure) => fail(failure, json),
    }
}

fn check(arguments: &Arguments, text: &str, json: bool) -> ExitCode {
    let checked = check_text(text, clock::now());
    let mut problems = checked.problems;
    if let Some(document) = &checked.document {
        let PolicyProblems { rules, approvals } = policy(document);
        problems.extend(rules.into_iter().chain(approvals));
    }
    if arguments.strict {
        problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    }
    if arguments.format == Format::Github {
        let places = places_of(text, &problems);
        let annotations: String =
            problems.iter().zip(places).map(|(problem, place)| annotation(&arguments.file, problem, place)).collect();
        print(&annotations);
    }
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let found = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    let experiments = checked.document.as_ref().map_or(0, |document| document.experiments.len());
    let said = if has_errors(&problems) {
        format!("{} {}: {found}\n", bad("refused"), arguments.file)
    } else {
        format!("{} {}: {}, {found}\n", good("fine"), arguments.file, count(experiments, "experiment"))
    };
    complain_in(text, &problems);
    let answer = json!({
        "ok": errors == 0,
        "file": arguments.file,
        "experiments": experiments,
        "errors": errors,
        "warnings": warnings,
        "problems": listed_in(text, &problems),
    });
    let told = print(&if json { line(&answer) } else { terminal::painted(&said) });
    ExitCode::from(u8::from(!told || errors > 0))
}

/// <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>: the message escapes `%` and line
/// ends, a property `:` and `,` too.
fn annotation(file: &str, problem: &Problem, place: Place) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let path = if problem.path.is_empty() { "document" } else { &problem.path };
    format!(
        "::{} file={},line={},col={},title={}::{}\n",
        word(problem.severity),
        property(if file == "-" { "experiments.json" } else { file }),
        place.line,
        place.column,
        property(path),
        data(&format!("{path}: {}", problem.message)),
    )
}
