//! `sortition check`: every problem of a document at once.

use super::terminal::{bad, good};
use super::{Failure, Report, clock, count, has_errors, input, place, print, word};
use crate::document::{Problem, Severity, check_text};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

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
    /// Refuse warnings too.
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

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let text = input::read(&arguments.file)?;
    let checked = check_text(&text, clock::now());
    let mut problems = checked.problems;
    if arguments.strict {
        problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    }
    if arguments.format == Format::Github {
        let annotations: String = problems.iter().map(|problem| annotation(&arguments.file, &text, problem)).collect();
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
    let listed: Vec<Value> = problems
        .iter()
        .map(|problem| {
            json!({
                "severity": word(problem.severity),
                "path": problem.path,
                "line": line_of(&text, problem),
                "message": problem.message,
            })
        })
        .collect();
    Ok(Report {
        text: said,
        json: json!({
            "ok": errors == 0,
            "file": arguments.file,
            "experiments": experiments,
            "errors": errors,
            "warnings": warnings,
            "problems": listed,
        }),
        problems,
    })
}

/// The line of a problem. What is no JSON has no path; the message then names the line.
fn line_of(text: &str, problem: &Problem) -> usize {
    let named = || {
        let (_, after) = problem.message.rsplit_once("line ")?;
        after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    };
    let named = if problem.path.is_empty() { named() } else { None };
    named.unwrap_or_else(|| place::line_of(text, &problem.path))
}

/// <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>: the message escapes `%` and line
/// ends, a property `:` and `,` too.
fn annotation(file: &str, text: &str, problem: &Problem) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let path = if problem.path.is_empty() { "document" } else { &problem.path };
    format!(
        "::{} file={},line={},title={}::{}\n",
        word(problem.severity),
        property(if file == "-" { "experiments.json" } else { file }),
        line_of(text, problem),
        property(path),
        data(&format!("{path}: {}", problem.message)),
    )
}
