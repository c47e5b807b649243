//! `sortition readout`: the readout's page, data or summary, from the engine that holds the events; or what it is asked.

mod answers;
mod asked;
mod engine;
mod publish;
mod shown;

pub(super) use engine::{ARCHIVE, run as run_script};

use super::kv::KvArguments;
use super::terminal::good;
use super::{Failure, Report, clock, input};
use crate::document::{Document, Experiment, Kind, Timestamp};
use crate::ledger::dialect::{DIALECTS, Dialect};
use crate::ledger::question::{Place, Table};
use crate::readout::{self, Depth, Known, Results, View};
use answers::{Answers, WHOLE};
use asked::{Asked, HOLDOUT, asked, project_questions};
use clap::Args;
use engine::{Engine, Statement};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

/// Ask the engine that holds the events which variant won, or print what a readout asks it.
#[derive(Debug, Args)]
#[command(
    after_help = "Each statement answers one question with sums, never with a row a unit. docs/warehouse.md says what the rows mean,
and how the tables are made for each engine. What an engine could not answer is named, and the gate `record` is red.

Examples:
  sortition readout experiments.json hero --from duckdb:archive
  sortition readout experiments.json hero --from postgres://reader@db/shop --html hero.html
  sortition readout experiments.json --from duckdb:s3://sortition-archive --publish
  sortition readout experiments.json hero --sql bigquery --events shop.events --at 2026-11-22T00:00:00Z
  sortition readout experiments.json hero --answers rows.json --engine BigQuery --at 2026-11-22T00:00:00Z"
)]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// The experiment; `_holdout`: everybody's holdout. Without it all experiments.
    experiment: Option<String>,
    /// Print the statements: d1, duckdb, postgres, clickhouse, bigquery, snowflake, databricks, spark or trino.
    #[arg(long, value_name = "DIALECT", conflicts_with_all = ["from", "answers"], required_unless_present_any = ["from", "answers"])]
    sql: Option<String>,
    /// Run them: `duckdb:PATH` (the folder that holds the archive's `events/`, or `s3://BUCKET`), `postgres:URL`,
    /// `clickhouse:URL`.
    #[arg(long, value_name = "ENGINE:PLACE", conflicts_with = "answers")]
    from: Option<String>,
    /// Take what an engine printed, as JSON or CSV; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    answers: Option<String>,
    /// What the engine of `--answers` is called.
    #[arg(long, value_name = "NAME", default_value = "another engine", requires = "answers")]
    engine: String,
    /// Keep what the engine said in a file, which `--answers` takes.
    #[arg(long, value_name = "FILE", requires = "from")]
    keep: Option<String>,
    /// The table of events, or a query in brackets.
    #[arg(long, default_value = "events", value_name = "TABLE")]
    events: String,
    /// What is later is not there yet; RFC 3339, default now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Write the page into a file; `-` prints it.
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    html: Option<String>,
    /// Put the results into the archive, where the worker's readout and its guard find them.
    #[arg(long, conflicts_with = "sql")]
    publish: bool,
    #[command(flatten)]
    place: KvArguments,
}

/// What was answered about an experiment.
struct Told<'a> {
    document: &'a Document,
    experiment: &'a Experiment,
    /// By the name of the question.
    answers: BTreeMap<String, String>,
}

impl Told<'_> {
    fn answers(&self, scope: Depth) -> Vec<Option<String>> {
        let names = readout::question_names(self.document, self.experiment, scope);
        names.iter().map(|name| self.answers.get(name).cloned()).collect()
    }
}

/// What came from an engine, by names: of the whole project, and of `EXPERIMENT NAME`.
#[derive(Default)]
struct Collected {
    by_name: BTreeMap<String, Value>,
    incomplete: Vec<String>,
    read: Option<u64>,
}

impl Collected {
    /// All rows as an engine prints them.
    fn rows(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (name, rows) in &self.by_name {
            let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
            if WHOLE.contains(&name.as_str()) {
                let fields = rows.iter().filter_map(Value::as_array);
                all.extend(fields.map(|fields| std::iter::once(json!(name)).chain(fields.iter().cloned()).collect()));
            } else {
                all.extend(rows.iter().cloned());
            }
        }
        all
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let (document, _) = input::sound(&input::read(&arguments.file)?)?;
    let now = clock::at(arguments.at.as_deref())?;
    let is_experiment = |id: &str| document.experiments.iter().any(|e| e.id.as_str() == id);
    let id = arguments.experiment.as_deref();
    let chosen = id.map(|id| if id == "holdout" && !is_experiment(id) { HOLDOUT } else { id });
    if let Some(name) = &arguments.sql {
        return printed(&document, chosen, name, &arguments.events, now);
    }
    let (engine, collected) = match (&arguments.from, &arguments.answers) {
        (Some(from), _) => {
            let engine = Engine::parse(from)?;
            let place = Place { dialect: engine.dialect, events: &arguments.events, tables: engine.name == "DuckDB" };
            let asked = asked(&document, chosen, place, now)?;
            (engine.name.to_owned(), collected(&engine, &project_questions(&document, place, now), &asked)?)
        }
        (None, file) => {
            let text = input::read(file.as_deref().unwrap_or("-"))?;
            let answers = Answers::read(&text).map_err(|why| Failure::refused("answers", why))?;
            let mut incomplete = Vec::new();
            if answers.cut > 0 {
                incomplete.push(format!("{} rows are of an answer without its last row.", answers.cut));
            }
            let by_name = answers.by_name.into_iter().map(|(name, rows)| (name, Value::Array(rows))).collect();
            (arguments.engine.clone(), Collected { by_name, incomplete, read: None })
        }
    };
    if let Some(file) = &arguments.keep {
        written(file, &Value::Array(collected.rows()).to_string())?;
    }
    finished(arguments, &document, chosen, &engine, collected, now)
}

fn written(file: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Outside(format!("{file} cannot be written: {error}")))
}

/// The statements as text.
fn printed(
    document: &Document,
    chosen: Option<&str>,
    name: &str,
    events: &str,
    now: Timestamp,
) -> Result<Report, Failure> {
    let Some((_, dialect)) = DIALECTS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = DIALECTS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!("--sql {name}: write one of {}", names.join(", "))));
    };
    let place = Place { dialect: *dialect, events, tables: false };
    let (_, asked) = asked(document, chosen, place, now)?;
    // why: the record has these in tables of its own
    let whole = if *dialect == Dialect::Sqlite { Vec::new() } else { project_questions(document, place, now) };
    let mut text = String::new();
    for (name, sql) in &whole {
        let _ = writeln!(text, "-- {name}\n{sql};\n");
    }
    for one in &asked {
        for (name, sql) in &one.questions {
            let _ = writeln!(text, "-- {} {name}\n{sql};\n", one.id);
        }
    }
    let question = |(name, sql): &(String, String)| json!({"name": name, "sql": sql});
    let list = |one: &Asked| {
        let questions: Vec<Value> = one.questions.iter().map(question).collect();
        json!({"experiment": one.id, "questions": questions})
    };
    let experiments: Vec<Value> = asked.iter().map(list).collect();
    let project: Vec<Value> = whole.iter().map(question).collect();
    let json = json!({"dialect": name, "project": project, "experiments": experiments});
    Ok(Report { text, json, problems: Vec::new() })
}

/// Asks an engine all of it.
fn collected(
    engine: &Engine,
    whole: &[(String, String)],
    (tables, asked): &(Vec<Table>, Vec<Asked>),
) -> Result<Collected, Failure> {
    let mut names: Vec<String> = whole.iter().map(|(name, _)| name.clone()).collect();
    let mut statements: Vec<Statement<'_>> = whole.iter().map(|(_, sql)| Statement::Question { sql }).collect();
    statements.extend(tables.iter().map(Statement::table));
    for one in asked {
        statements.extend(one.tables.iter().map(Statement::table));
        for (name, sql) in &one.questions {
            names.push(format!("{} {name}", one.id));
            statements.push(Statement::Question { sql });
        }
    }
    let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let reply = engine.ask(&statements, |done| {
        if is_seen {
            let filled = 30 * done / names.len().max(1);
            // why: nobody is left to be told when the output is closed
            let _ = write!(std::io::stderr(), "\r[{:<30}] {done} of {} questions", "=".repeat(filled), names.len());
        }
    })?;
    if is_seen {
        let _ = writeln!(std::io::stderr());
    }
    let mut collected = Collected { by_name: BTreeMap::new(), incomplete: reply.incomplete, read: reply.read };
    for (name, answer) in names.into_iter().zip(reply.answers) {
        match answer {
            Ok(mut rows) => {
                if WHOLE.contains(&name.as_str()) {
                    // why: the question's name stands first in its rows
                    let rows = rows.as_array_mut().map(std::mem::take).unwrap_or_default();
                    let without = |row: Value| match row {
                        Value::Array(fields) => fields.into_iter().skip(1).collect(),
                        other => other,
                    };
                    collected.by_name.insert(name, rows.into_iter().map(without).collect());
                } else {
                    collected.by_name.insert(name, rows);
                }
            }
            Err(why) => {
                let why = why.lines().next().unwrap_or_default().to_owned();
                collected.incomplete.push(format!("The question `{name}` was not answered: {why}."));
            }
        }
    }
    Ok(collected)
}

/// Results as data. Through a text, since sums of squares pass 64 bits, which a JSON value has no whole number for.
fn as_json(results: &Results) -> Value {
    let text = serde_json::to_string(results).ok();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Makes results of what was collected, and shows and publishes them.
fn finished(
    arguments: &Arguments,
    document: &Document,
    chosen: Option<&str>,
    engine: &str,
    mut collected: Collected,
    now: Timestamp,
) -> Result<Report, Failure> {
    let held = if chosen == Some(HOLDOUT) { readout::holdout(document) } else { None };
    let about = held.as_ref().unwrap_or(document);
    let is_chosen = |e: &&Experiment| match chosen {
        Some(HOLDOUT) => held.is_some(),
        Some(id) => e.id.as_str() == id,
        None => e.kind == Kind::Experiment,
    };
    let mut told = Vec::new();
    for experiment in about.experiments.iter().filter(is_chosen) {
        let id = if held.is_some() { HOLDOUT } else { experiment.id.as_str() };
        let mut answers = BTreeMap::new();
        for name in readout::question_names(about, experiment, Depth::Detail) {
            let Some(rows) = collected.by_name.get(&format!("{id} {name}")) else {
                if arguments.answers.is_some() {
                    collected.incomplete.push(format!("The question `{id} {name}` was not answered."));
                }
                continue;
            };
            let rows = rows.to_string();
            match readout::unreadable(&name, &rows) {
                None => drop(answers.insert(name, rows)),
                Some(why) => collected.incomplete.push(format!("The answer to `{id} {name}` cannot be read: {why}.")),
            }
        }
        told.push(Told { document: about, experiment, answers });
    }
    if told.is_empty() {
        let id = chosen.unwrap_or_default();
        return Err(Failure::Usage(format!("the document has no experiment {id}")));
    }
    let whole = |name: &str| collected.by_name.get(name).map(Value::to_string);
    // why: an answer without rows cannot say what it answers; the one about delivery always has one
    let is_printed = arguments.answers.is_some() && whole("delivery").is_some();
    let or_none = |name: &str| whole(name).or_else(|| is_printed.then(|| "[]".to_owned()));
    // why: what the guard has told is the worker's to know
    let first = [or_none("endings"), whole("delivery"), or_none("health"), Some("[]".to_owned())];
    let mut known = Known::read(&first);
    known.incomplete.append(&mut collected.incomplete.clone());
    let scope = if chosen.is_some() { Depth::Detail } else { Depth::List };
    let results: Vec<Results> = told
        .iter()
        .map(|one| {
            let answers = one.answers(scope);
            let results = readout::results(one.document, one.experiment, &known, &answers, scope, now);
            Results { computed_by: Some(engine.to_owned()), ..results }
        })
        .collect();
    let mut text = String::new();
    if let Some(file) = &arguments.html {
        let page = match (chosen, results.first()) {
            (Some(_), Some(one)) => readout::detail_page(one),
            _ => readout::list_page(&document.project, &results, &View::parse("")),
        };
        if file == "-" {
            text.push_str(&page);
        } else {
            written(file, &page)?;
            let _ = writeln!(text, "{} {file}", good("written"));
        }
    } else {
        results.iter().for_each(|one| text.push_str(&shown::summary(one)));
    }
    let mut json = match (chosen, results.first()) {
        (Some(_), Some(one)) => as_json(one),
        _ => {
            let all: Vec<Value> = results.iter().map(as_json).collect();
            json!({"project": document.project, "experiments": all})
        }
    };
    if arguments.publish {
        let reply = (engine, collected.read, collected.incomplete.as_slice());
        let keys = publish::publish(document, &told, &first, reply, now, &arguments.place)?;
        for key in &keys {
            let _ = writeln!(text, "{} {key}", good("published"));
        }
        if let Some(fields) = json.as_object_mut() {
            fields.insert("published".to_owned(), json!(keys));
        }
    }
    Ok(Report { text, json, problems: Vec::new() })
}
