//! `sortition readout`: the questions of a readout as SQL, for the engine that holds the events.

mod engine;

use super::terminal::strong;
use super::{Failure, Report, clock, input};
use crate::document::{Document, Id, Timestamp};
use crate::ledger::answer::{Answer, Cells as _};
use crate::ledger::dialect::{DIALECTS, Dialect};
use crate::ledger::question::{self, Extent, Iteration, Place};
use crate::metrics::Definition;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

/// What everybody's holdout is measured by: a reserved experiment.
const HOLDOUT: &str = "_holdout";

/// Ask the engine that holds the events, or print what a readout asks it.
#[derive(Debug, Args)]
#[command(
    after_help = "Each statement answers one question with sums, never with a row a unit. docs/warehouse.md says what the rows mean,
and how the table of events is made for each engine.

Examples:
  sortition readout experiments.json hero --from duckdb:archive
  sortition readout experiments.json hero --sql duckdb
  sortition readout experiments.json hero --sql bigquery --events shop.events --at 2026-11-22T00:00:00Z"
)]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// The experiment; `_holdout`: everybody's holdout. Without it all experiments.
    experiment: Option<String>,
    /// Print the statements: d1, duckdb, postgres, clickhouse, bigquery, snowflake, databricks, spark or trino.
    #[arg(long, value_name = "DIALECT", required_unless_present = "from", conflicts_with = "from")]
    sql: Option<String>,
    /// Run them here: `duckdb:PATH`, where PATH is the folder that holds the archive's `events/`.
    #[arg(long, value_name = "ENGINE:PLACE")]
    from: Option<String>,
    /// The table of events, or a query in brackets.
    #[arg(long, default_value = "events", value_name = "TABLE")]
    events: String,
    /// What is later is not there yet; RFC 3339, default now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// What is asked about one experiment.
struct Asked {
    id: String,
    questions: Vec<(String, String)>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let (document, _) = input::sound(&input::read(&arguments.file)?)?;
    let now = match &arguments.at {
        Some(text) => text.parse::<Timestamp>().map_err(|error| Failure::Usage(format!("--at: {error}")))?,
        None => clock::now(),
    };
    let chosen = arguments.experiment.as_deref();
    if let Some(from) = &arguments.from {
        let Some(folder) = from.strip_prefix("duckdb:").filter(|folder| !folder.is_empty()) else {
            return Err(Failure::Usage(format!(
                "--from {from}: write duckdb:PATH, or print the statements with --sql"
            )));
        };
        let place = Place { dialect: Dialect::DuckDb, events: "events" };
        return answered(&document, &asked(&document, chosen, place, now)?, folder);
    }
    let name = arguments.sql.as_deref().unwrap_or_default();
    let Some((_, dialect)) = DIALECTS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = DIALECTS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!("--sql {name}: write one of {}", names.join(", "))));
    };
    let asked = asked(&document, chosen, Place { dialect: *dialect, events: &arguments.events }, now)?;
    let mut text = String::new();
    for one in &asked {
        for (name, sql) in &one.questions {
            let _ = writeln!(text, "-- {} {name}\n{sql};\n", one.id);
        }
    }
    let list = |one: &Asked| {
        let questions: Vec<Value> = one.questions.iter().map(|(name, sql)| json!({"name": name, "sql": sql})).collect();
        json!({"experiment": one.id, "questions": questions})
    };
    let experiments: Vec<Value> = asked.iter().map(list).collect();
    Ok(Report { text, json: json!({"dialect": name, "experiments": experiments}), problems: Vec::new() })
}

/// Asks DuckDB, and shows the sums.
fn answered(document: &Document, asked: &[Asked], folder: &str) -> Result<Report, Failure> {
    let statements: Vec<&str> =
        asked.iter().flat_map(|one| one.questions.iter().map(|(_, sql)| sql.as_str())).collect();
    let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let answers = engine::duckdb(folder, &statements, |done| {
        if is_seen {
            // why: nobody is left to be told when the output is closed
            let _ = write!(std::io::stderr(), "\r{done} of {} questions", statements.len());
        }
    })?;
    if is_seen {
        let _ = writeln!(std::io::stderr());
    }
    let (mut answers, mut text, mut list) = (answers.into_iter(), String::new(), Vec::new());
    for one in asked {
        let _ = writeln!(text, "{}", strong(&one.id));
        let mut told = Vec::new();
        for ((name, _), rows) in one.questions.iter().zip(answers.by_ref()) {
            if !name.starts_with("interactions") {
                summary(document, one, name, &rows, &mut text)?;
            }
            told.push(json!({"name": name, "rows": rows}));
        }
        list.push(json!({"experiment": one.id, "answers": told}));
    }
    Ok(Report { text, json: json!({"from": format!("duckdb:{folder}"), "experiments": list}), problems: Vec::new() })
}

/// A line a variant: units, those that wait, those that converted, and the sum.
fn summary(document: &Document, one: &Asked, name: &str, rows: &Value, text: &mut String) -> Result<(), Failure> {
    let answer = Answer::read(&rows.to_string())
        .map_err(|error| Failure::Outside(format!("the answer to `{name}` cannot be read: {error}")))?;
    let experiment = document.experiments.iter().find(|experiment| experiment.id.as_str() == one.id);
    let held = ["held_out", "not_held_out"].map(str::to_owned).to_vec();
    let variants = experiment
        .map_or(held, |experiment| experiment.variants.iter().map(|variant| variant.id.to_string()).collect());
    let _ =
        writeln!(text, "  {name}{}", if answer.is_mixed() { ": several currencies, nothing is added up" } else { "" });
    for variant in variants {
        let sums = answer.total(&variant);
        let _ = write!(text, "    {variant:<24} {:>10} units", sums.units);
        if name != "units" {
            let _ = write!(text, " {:>8} waiting {:>10} converted", sums.waiting, sums.converted);
            if !answer.is_mixed() {
                let _ = write!(text, " {:>16} sum", sums.y);
            }
        }
        text.push('\n');
    }
    Ok(())
}

/// The questions about the chosen experiments: the units, each metric, and the interactions of the primary one.
fn asked(document: &Document, chosen: Option<&str>, place: Place<'_>, now: Timestamp) -> Result<Vec<Asked>, Failure> {
    let variants: Vec<Vec<&str>> = document
        .experiments
        .iter()
        .map(|experiment| experiment.variants.iter().map(|variant| variant.id.as_str()).collect())
        .collect();
    let mut all = Vec::new();
    for (experiment, variants) in document.experiments.iter().zip(&variants) {
        let of = Iteration {
            project: &document.project,
            experiment: experiment.id.as_str(),
            iteration: experiment.iteration,
            variants,
            now: now.millis(),
        };
        let named = experiment.metrics.as_ref();
        let ids: Vec<&Id> = named.map_or_else(Vec::new, |named| {
            let guardrails = named.guardrails.iter().map(|guardrail| &guardrail.metric);
            named.primary.iter().chain(&named.secondary).chain(guardrails).collect()
        });
        all.push((of, ids, named.and_then(|named| named.primary.as_ref())));
    }
    let holdout = Iteration {
        project: &document.project,
        experiment: HOLDOUT,
        iteration: 1,
        variants: &["held_out", "not_held_out"],
        now: now.millis(),
    };
    all.push((holdout, document.metrics.keys().collect(), None));
    let others: Vec<Iteration<'_>> = all.iter().map(|(of, ..)| *of).collect();
    let is_chosen = |of: &Iteration<'_>| chosen.map_or(of.experiment != HOLDOUT, |id| id == of.experiment);
    let mut asked = Vec::new();
    for (of, mut ids, primary) in all.into_iter().filter(|(of, ..)| is_chosen(of)) {
        let mut seen = Vec::new();
        ids.retain(|id| {
            !seen.contains(id) && {
                seen.push(*id);
                true
            }
        });
        let mut questions = vec![("units".to_owned(), question::units(of, Extent::Parts, place).sql)];
        for id in ids {
            let Some(metric) = document.metrics.get(id) else { continue };
            let definition =
                Definition::of(metric).map_err(|message| Failure::refused(format!("metrics.{id}"), message))?;
            questions.push((format!("metric {id}"), question::metric(of, &definition, Extent::Parts, place).sql));
            if Some(id) == primary {
                let others: Vec<Iteration<'_>> =
                    others.iter().copied().filter(|other| other.experiment != of.experiment).collect();
                questions
                    .push((format!("interactions {id}"), question::interactions(of, &others, &definition, place).sql));
            }
        }
        asked.push(Asked { id: of.experiment.to_owned(), questions });
    }
    match chosen {
        Some(id) if asked.is_empty() => Err(Failure::Usage(format!("the document has no experiment {id}"))),
        _ => Ok(asked),
    }
}
