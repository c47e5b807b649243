//! `sortition readout`: the questions of a readout as SQL, for the engine that holds the events.

use super::{Failure, Report, clock, input};
use crate::document::{Document, Id, Timestamp};
use crate::ledger::dialect::DIALECTS;
use crate::ledger::question::{self, Extent, Iteration, Place};
use crate::metrics::Definition;
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What everybody's holdout is measured by: a reserved experiment.
const HOLDOUT: &str = "_holdout";

/// Print what a readout asks the engine that holds the events.
#[derive(Debug, Args)]
#[command(
    after_help = "Each statement answers one question with sums, never with a row a unit. docs/warehouse.md says what the rows mean,
and how the table of events is made for each engine.

Examples:
  sortition readout experiments.json hero --sql duckdb
  sortition readout experiments.json hero --sql bigquery --events shop.events --at 2026-11-22T00:00:00Z"
)]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// The experiment; `_holdout`: everybody's holdout. Without it all experiments.
    experiment: Option<String>,
    /// d1, duckdb, postgres, clickhouse, bigquery, snowflake, databricks, spark or trino.
    #[arg(long, value_name = "DIALECT")]
    sql: String,
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
    let named = DIALECTS.iter().find(|(name, _)| *name == arguments.sql);
    let Some((_, dialect)) = named else {
        let names: Vec<&str> = DIALECTS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!("--sql {}: write one of {}", arguments.sql, names.join(", "))));
    };
    let now = match &arguments.at {
        Some(text) => text.parse::<Timestamp>().map_err(|error| Failure::Usage(format!("--at: {error}")))?,
        None => clock::now(),
    };
    let asked =
        asked(&document, arguments.experiment.as_deref(), Place { dialect: *dialect, events: &arguments.events }, now)?;
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
    Ok(Report {
        text,
        json: json!({"dialect": arguments.sql, "experiments": asked.iter().map(list).collect::<Vec<_>>()}),
        problems: Vec::new(),
    })
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
