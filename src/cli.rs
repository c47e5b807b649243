//! The operator's tool `sortition`: check, explain, simulate, diff, push, roll back.
//!
//! Native only, on the same modules as the worker, so that what it says is what the edge does. Each command turns its
//! arguments into a [`Report`] or a [`Failure`]; only [`run`] prints. Exit codes: 0 fine, 1 refused, 2 usage.

mod terminal;
mod clock;
mod place;
mod quantity;
mod input;
mod address;
mod check;
mod analyze;
mod request;
mod explain;
mod crowd;
mod csv;
mod simulate;
mod diff;
mod sizing;
mod registry;
pub mod import;
mod compare;
mod wrangler;
mod installed;
mod kv;
mod store;
mod events;
mod push;
mod switch;
mod decide;
mod preview;
mod verify;
mod shots;
mod rehearse;
mod readout;
mod completions;
mod script;
mod init;
mod dev;

use crate::document::{Problem, Severity};
use crate::edit;
use clap::{CommandFactory as _, Parser, Subcommand};
use place::Place;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

/// Experiments at the CDN edge: check a document, see what it does, and put it live.
#[derive(Debug, Parser)]
#[command(name = "sortition", version, max_term_width = 110, after_help = EXAMPLES)]
struct Arguments {
    /// Answer as JSON, for scripts.
    #[arg(long, global = true, display_order = 100)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  sortition init                                       a repository for one's own shop
  sortition dev --origin https://shop.example          the worker before it, on this machine
  sortition check experiments.json                     every problem, each with its place
  sortition explain experiments.json --url https://shop.example/
  sortition simulate experiments.json --visitors 1000000
  sortition diff live.json experiments.json            what changes, and for how many visitors
  sortition push experiments.json --env production     check, compare, write, verify
  sortition kill hero                                  the control for everybody, now

Exit status: 0 fine, 1 the document or the change is refused, 2 the command was not understood.
Each command explains itself: sortition help push";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a repository for a shop's experiments.
    Init(init::Arguments),
    /// Put the worker before one's own site, on this machine.
    Dev(dev::DevArguments),
    /// Find what is not in order, and say what to do.
    Doctor(dev::DoctorArguments),
    /// Make what Cloudflare lacks, apply migrations, deploy the worker.
    Deploy(dev::DeployArguments),
    /// Say and do what a new version needs.
    Upgrade(dev::UpgradeArguments),
    /// Find every problem of a document.
    Check(check::Arguments),
    /// Compute statistics of given aggregates, one JSON line each.
    Analyze(analyze::Arguments),
    /// Show what happens to one visitor on one request, and why.
    Explain(explain::Arguments),
    /// Send many visitors through the engine and test the split.
    Simulate(simulate::Arguments),
    /// Say what changes between two documents, and for how many visitors.
    Diff(diff::Arguments),
    /// How many visitors and days an experiment needs.
    Plan(sizing::Arguments),
    /// List the experiments of a document, and what is overdue.
    List(registry::ListArguments),
    /// Bring experiments over from another tool without moving one visitor.
    Import(import::Arguments),
    /// Compare what another tool decided for real ids with what the worker will.
    Compare(compare::Arguments),
    /// Write a well-formed experiment to start from.
    New(registry::NewArguments),
    /// Put a document live: check, compare with what is live, write, verify.
    Push(push::PushArguments),
    /// Put an earlier revision live again.
    Rollback(push::RollbackArguments),
    /// Show who put what live, newest first.
    History(push::HistoryArguments),
    /// Give everybody the control, at once; `--off` ends it.
    Kill(switch::KillArguments),
    /// Change the traffic of a live experiment.
    Ramp(switch::RampArguments),
    /// Read results from the engine that holds the events, or print what to ask it.
    Readout(readout::Arguments),
    /// Keep what was decided of an experiment, and make it so.
    Decide(decide::DecideArguments),
    /// Stop an experiment before its time, and record why.
    End(decide::EndArguments),
    /// Bring lost messages back, forget a person, drop an old iteration, compact the archive.
    Events(events::Arguments),
    /// Make a link that shows a variant without assigning anybody to it.
    Preview(preview::Arguments),
    /// Look at a page as a visitor of each variant, before the experiment is trusted.
    Verify(verify::Arguments),
    /// Take a picture of each variant, for the pages of results.
    Shots(shots::Arguments),
    /// Practise the kill switch on a local worker under load.
    Rehearse(rehearse::Arguments),
    /// Complete commands in a shell.
    Completions(completions::Arguments),
}

/// What a command has to say.
#[derive(Debug, Default)]
struct Report {
    /// For people.
    text: String,
    /// The same for scripts.
    json: Value,
    /// What is wrong with the document or the change, and what somebody should look at. An error refuses it.
    problems: Vec<Problem>,
}

/// Why a command did not come to a result.
#[derive(Debug)]
enum Failure {
    /// The arguments make no sense: what to write instead.
    Usage(String),
    /// The change is refused.
    Refused(Vec<Problem>),
    /// The document is refused; its text has the places of the problems.
    Unsound { problems: Vec<Problem>, text: String },
    /// Something outside failed: a file, wrangler, the network.
    Outside(String),
}

impl Failure {
    /// The place of one thing that is refused.
    fn refused(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused(vec![Problem::error(path, message)])
    }
}

/// Whether some problem refuses the document or the change.
fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// Runs the tool with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misunderstood(&error),
    };
    let json = arguments.json;
    let outcome = match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Dev(arguments) => dev::dev(&arguments),
        Command::Doctor(arguments) => dev::doctor(&arguments),
        Command::Deploy(arguments) => dev::deploy(&arguments),
        Command::Upgrade(arguments) => dev::upgrade(&arguments),
        Command::Check(arguments) => return check::run(&arguments, json),
        Command::Analyze(arguments) => return analyze::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Plan(arguments) => sizing::run(&arguments),
        Command::List(arguments) => registry::list(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::New(arguments) => registry::new(&arguments),
        Command::Push(arguments) => push::push(&arguments),
        Command::Rollback(arguments) => push::rollback(&arguments),
        Command::History(arguments) => push::history(&arguments),
        Command::Kill(arguments) => switch::kill(&arguments),
        Command::Ramp(arguments) => switch::ramp(&arguments),
        Command::Readout(arguments) => readout::run(&arguments),
        Command::Decide(arguments) => decide::decide(&arguments),
        Command::End(arguments) => decide::end(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Preview(arguments) => preview::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Shots(arguments) => shots::run(&arguments),
        Command::Rehearse(arguments) => rehearse::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
    };
    match outcome {
        Ok(report) => finish(&report, json),
        Err(failure) => fail(failure, json),
    }
}

fn finish(report: &Report, json: bool) -> ExitCode {
    complain(&report.problems);
    let told = print(&if json { line(&report.json) } else { terminal::painted(&report.text) });
    ExitCode::from(u8::from(!told || has_errors(&report.problems)))
}

/// What clap says of the arguments: help, the version, or what is wrong with them.
fn misunderstood(error: &clap::Error) -> ExitCode {
    // why: nobody is left to be told when the output is closed
    let _ = error.print();
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let message = error.render().to_string();
        let first = message.lines().next().unwrap_or("").trim_start_matches("error: ");
        print(&line(&json!({"ok": false, "error": first, "problems": []})));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn fail(failure: Failure, json: bool) -> ExitCode {
    let (problems, message, code, text) = match failure {
        Failure::Usage(message) => (Vec::new(), message, 2, None),
        Failure::Outside(message) => (Vec::new(), message, 1, None),
        Failure::Refused(problems) => (problems, String::new(), 1, None),
        Failure::Unsound { problems, text } => (problems, String::new(), 1, Some(text)),
    };
    match &text {
        Some(text) => complain_in(text, &problems),
        None => complain(&problems),
    }
    if !message.is_empty() {
        complain_line(&format!("error: {message}"));
    }
    if json {
        let error = if message.is_empty() { Value::Null } else { message.into() };
        let problems = text.map_or_else(|| listed(&problems), |text| listed_in(&text, &problems));
        print(&line(&json!({"ok": false, "error": error, "problems": problems})));
    }
    ExitCode::from(code)
}

fn complain(problems: &[Problem]) {
    for problem in problems {
        complain_line(&problem.to_string());
    }
}

/// Says what is wrong with a text; on a terminal with line and column, where people follow them.
fn complain_in(text: &str, problems: &[Problem]) {
    for (problem, place) in problems.iter().zip(places_of(text, problems)) {
        let place = terminal::aside(&format!("  line {}, column {}", place.line, place.column));
        complain_line(&format!("{problem}{place}"));
    }
}

/// Where the problems of a text stand. What is no JSON has no path; the message then names the place.
fn places_of(text: &str, problems: &[Problem]) -> Vec<Place> {
    let named = |problem: &Problem| -> Option<Place> {
        let number = |after: &str| -> Option<usize> {
            let (_, rest) = problem.message.rsplit_once(after)?;
            rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
        };
        let line = number("line ").filter(|_| problem.path.is_empty())?;
        Some(Place { line, column: number("column ").unwrap_or(1).max(1) })
    };
    let found = place::places_of(text, problems.iter().map(|problem| problem.path.as_str()));
    problems.iter().zip(found).map(|(problem, place)| named(problem).unwrap_or(place)).collect()
}

fn complain_line(text: &str) {
    // why: nobody is left to be told when standard error is closed
    let _ = writeln!(std::io::stderr(), "{}", terminal::painted_problem(text));
}

/// Writes to standard output, and says whether that went well. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain_line(&format!("error: standard output cannot be written: {error}"));
            false
        }
        _ => true,
    }
}

fn line(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Problems of a text as JSON, with their places.
fn listed_in(text: &str, problems: &[Problem]) -> Value {
    let one = |(problem, Place { line, column }): (&Problem, Place)| {
        json!({
            "severity": word(problem.severity),
            "path": problem.path,
            "line": line,
            "column": column,
            "message": problem.message,
        })
    };
    problems.iter().zip(places_of(text, problems)).map(one).collect()
}

/// Problems as JSON.
fn listed(problems: &[Problem]) -> Value {
    let one = |problem: &Problem| json!({"severity": word(problem.severity), "path": problem.path, "message": problem.message});
    problems.iter().map(one).collect()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// `1 experiment`, `2 experiments`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
