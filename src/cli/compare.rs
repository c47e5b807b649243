//! `sortition compare`: what the old tool decided for real ids against what the worker will: the acceptance test of a
//! takeover.
//!
//! Decisions are read a batch at a time, so that a file of any length fits, and decided on all cores.

mod facts;
mod rows;

use super::address::normal_url;
use super::import::attribute::Attributes;
use super::terminal::{bad, good, strong};
use super::{Failure, Report, clock, input};
use crate::decide::{Reason, decide_compared};
use crate::document::{Document, Hash, Problem, Variant};
use crate::facts::Person;
use crate::plan::{ExperimentAt, Plan, Position};
use crate::url::Url;
use crate::visitor::assignments::Assignments;
use clap::Args;
use facts::Recorded;
use rows::{Decision, Row, Rows};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// How many lines are decided at a time.
const BATCH: usize = 32_768;
/// How many differences are shown; all are counted.
const SHOWN: usize = 1_000;

/// Compare what the old tool decided with what the worker will.
#[derive(Debug, Args)]
#[command(after_help = "DECISIONS has JSON lines or CSV with the columns id,key,variant:
  {\"id\": \"visitor-1\", \"attributes\": {\"country\": \"US\"}, \"decisions\": {\"checkout\": \"bold\", \"price\": null}}
  visitor-1,checkout,bold
A variant is its key in the old tool (else its id here); null, or an empty cell, is somebody who was not assigned. Attributes have the old tool's names and are read through the map that the import used.

Examples:
  sortition compare experiments.json decisions.jsonl --attributes map.json
  sortition compare experiments.json decisions.csv --at 2026-12-01T00:00:00Z")]
pub(super) struct Arguments {
    /// The document.
    file: String,
    /// What the old tool decided; `-` reads standard input.
    decisions: String,
    /// The old tool's attributes and our facts, as JSON.
    #[arg(long, value_name = "MAP")]
    attributes: Option<String>,
    /// The time at which it is decided; absent: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The page; absent: pages and hosts are not asked.
    #[arg(long)]
    url: Option<String>,
}

/// A flag: the experiments that share its key.
struct Flag {
    experiments: Vec<ExperimentAt>,
    /// Every variant's name in the old tool and its id.
    names: Vec<String>,
    /// Names of controls that nobody is split into, so that who is not assigned has what they stand for.
    bare: Vec<String>,
}

struct Comparison<'a> {
    document: &'a Document,
    plan: &'a Plan,
    attributes: &'a Attributes,
    url: Option<&'a str>,
    flags: HashMap<&'a str, Flag>,
    now: i64,
}

/// What came of it.
#[derive(Default)]
struct Found {
    compared: u64,
    differ: u64,
    by_key: BTreeMap<String, (u64, u64)>,
    shown: Vec<Difference>,
}

struct Difference {
    line: u64,
    id: String,
    key: String,
    recorded: Option<String>,
    decided: Option<String>,
    reason: &'static str,
    why: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let (document, _) = input::sound(&input::read(&arguments.file)?)?;
    let plan = input::compiled(&document)?;
    let attributes = match &arguments.attributes {
        Some(file) => Attributes::parse(&input::read(file)?)
            .map_err(|message| Failure::Usage(format!("the map of attributes {file}: {message}")))?,
        None => Attributes::default(),
    };
    let now = clock::at(arguments.at.as_deref())?;
    let url = arguments.url.as_deref().map(normal_url).transpose()?;
    let comparison = Comparison {
        document: &document,
        plan: &plan,
        attributes: &attributes,
        url: url.as_deref(),
        flags: flags(&document),
        now: now.millis(),
    };
    let mut rows = Rows::open(&arguments.decisions)?;
    let mut found = Found::default();
    loop {
        let batch = rows.batch(BATCH)?;
        if batch.is_empty() {
            break;
        }
        comparison.batch(&batch, &mut found)?;
    }
    if found.compared == 0 {
        return Err(Failure::Usage(format!(
            "`{}` has no decisions: see `sortition help compare` for its form",
            arguments.decisions
        )));
    }
    Ok(report(&found))
}

fn flags(document: &Document) -> HashMap<&str, Flag> {
    let mut flags: HashMap<&str, Flag> = HashMap::new();
    for (number, experiment) in document.experiments.iter().enumerate() {
        let key = experiment.key.as_deref().unwrap_or(experiment.id.as_str());
        let flag =
            flags.entry(key).or_insert_with(|| Flag { experiments: Vec::new(), names: Vec::new(), bare: Vec::new() });
        flag.experiments.push(ExperimentAt::from_number(number));
        for variant in &experiment.variants {
            flag.names.push(name(variant).to_owned());
            flag.names.push(variant.id.to_string());
        }
        let control = experiment.variants.first();
        let split = match &experiment.hash {
            Hash::Like(taken) => {
                control.is_some_and(|control| taken.split.ranges.get(&control.id).is_some_and(|own| !own.is_empty()))
            }
            Hash::Own(_) => {
                control.is_some_and(|control| control.weight.get() > 0.0) && experiment.traffic.buckets() > 0
            }
        };
        if let Some(control) = control.filter(|_| !split) {
            flag.bare.push(name(control).to_owned());
            flag.bare.extend(control.payload.as_ref().map(written));
        }
    }
    flags
}

/// A variant's name in the old tool.
fn name(variant: &Variant) -> &str {
    variant.key.as_deref().unwrap_or(variant.id.as_str())
}

/// A value as a text: texts as they are, all else as JSON.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Comparison<'_> {
    fn batch(&self, batch: &[Row], found: &mut Found) -> Result<(), Failure> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let size = batch.len().div_ceil(cores).max(1);
        let parts = std::thread::scope(|scope| {
            let workers: Vec<_> = batch.chunks(size).map(|part| scope.spawn(move || self.part(part))).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Found, Failure>>| {
                worker.join().unwrap_or_else(|_| Err(Failure::Outside("a thread of the comparison failed".to_owned())))
            };
            workers.into_iter().map(join).collect::<Vec<_>>()
        });
        for part in parts {
            let part = part?;
            found.compared += part.compared;
            found.differ += part.differ;
            for (key, (compared, differ)) in part.by_key {
                let sum = found.by_key.entry(key).or_default();
                sum.0 += compared;
                sum.1 += differ;
            }
            let room = SHOWN.saturating_sub(found.shown.len());
            found.shown.extend(part.shown.into_iter().take(room));
        }
        Ok(())
    }

    fn part(&self, rows: &[Row]) -> Result<Found, Failure> {
        let mut found = Found::default();
        for row in rows {
            let Decision { id, attributes, decisions } = row.read()?;
            let recorded = Recorded::new(self.attributes, attributes.as_ref(), &id, self.url)
                .map_err(|message| Failure::Usage(format!("line {}: {message}", row.line)))?;
            for (key, variant) in decisions {
                self.compare(row.line, &id, &recorded, &key, variant, &mut found);
            }
        }
        Ok(found)
    }

    fn compare(
        &self,
        line: u64,
        id: &str,
        facts: &Recorded<'_>,
        key: &str,
        recorded: Option<String>,
        found: &mut Found,
    ) {
        let (decided, reason, agree) = match self.flags.get(key) {
            None => (None, "no experiment has this key", false),
            Some(flag) => {
                let (decided, reason) = self.decide(flag, id, facts);
                let agree = agrees(flag, decided, recorded.as_deref(), reason);
                (decided.map(|variant| name(variant).to_owned()), reason.as_str(), agree)
            }
        };
        found.compared += 1;
        match found.by_key.get_mut(key) {
            Some(sum) => {
                sum.0 += 1;
                sum.1 += u64::from(!agree);
            }
            None => {
                found.by_key.insert(key.to_owned(), (1, u64::from(!agree)));
            }
        }
        if !agree {
            found.differ += 1;
            if found.shown.len() < SHOWN {
                let why = self.flags.get(key).map(|flag| self.why(flag, id)).unwrap_or_default();
                found.shown.push(Difference {
                    line,
                    id: id.to_owned(),
                    key: key.to_owned(),
                    recorded,
                    decided,
                    reason,
                    why,
                });
            }
        }
    }

    /// The variant of the experiment of this key that acts, or why none does.
    fn decide(&self, flag: &Flag, id: &str, facts: &Recorded<'_>) -> (Option<&Variant>, Reason) {
        let assignments = Assignments::default();
        let person = Person::with_id(id, &assignments);
        let mut last = Reason::Page;
        for &at in &flag.experiments {
            let scope = self.plan.experiments.get(at).map(|experiment| &experiment.scope);
            if let (Some(url), Some(scope)) = (self.url, scope)
                && !scope.contains("GET", &Url::split(url))
            {
                continue;
            }
            // why: what is in shadow mode is compared before it acts
            let decisions = decide_compared(self.plan, &[at], facts, person, self.now);
            let Some(decision) = decisions.first() else { continue };
            let variants =
                self.document.experiments.get(at.number()).map_or(&[][..], |experiment| &experiment.variants);
            if decision.reason.acts() {
                return (decision.variant.and_then(|at| variants.get(at.number())), decision.reason);
            }
            if last == Reason::Page || decision.reason == Reason::Traffic {
                last = decision.reason;
            }
        }
        (None, last)
    }

    /// The hashed text, bucket and range of each step, of the experiments that have another tool's hash.
    fn why(&self, flag: &Flag, id: &str) -> String {
        let taken = flag.experiments.iter().filter_map(|at| self.plan.experiments.get(*at));
        let steps = taken.filter_map(|experiment| experiment.takeover.as_ref()).flat_map(|takeover| takeover.steps(id));
        let steps: Vec<String> = steps
            .take(6)
            .map(|step| {
                let range =
                    step.range.map_or_else(|| "in no range".to_owned(), |(from, to)| format!("in [{from}, {to})"));
                format!("{:?} → {} {range}", step.text, step.bucket)
            })
            .collect();
        steps.join("; ")
    }
}

/// Whether a recorded decision is what was decided.
fn agrees(flag: &Flag, decided: Option<&Variant>, recorded: Option<&str>, reason: Reason) -> bool {
    match (decided, recorded) {
        (None, None) => true,
        (Some(_), None) => false,
        // why: who is not assigned has the control's page; where nobody is split into it, the old tool's control is that
        (None, Some(recorded)) => {
            flag.bare.iter().any(|bare| bare == recorded)
                || (reason == Reason::Requires && flag.names.first().is_some_and(|first| first == recorded))
        }
        (Some(variant), Some(recorded)) => {
            if flag.names.iter().any(|name| name == recorded) {
                name(variant) == recorded || variant.id.as_str() == recorded
            } else {
                // why: some SDKs tell the value alone
                variant.payload.as_ref().is_some_and(|payload| written(payload) == recorded)
            }
        }
    }
}

fn report(found: &Found) -> Report {
    let mut report = Report::default();
    let shown = |variant: &Option<String>| {
        variant.as_ref().map_or_else(|| "nobody's".to_owned(), |variant| format!("`{variant}`"))
    };
    for row in &found.shown {
        let why = if row.why.is_empty() { String::new() } else { format!(": {}", row.why) };
        report.text.push_str(&format!(
            "line {}: {} of {:?}: the old tool gave {}, here {} ({}{why})\n",
            row.line,
            strong(&row.key),
            row.id,
            shown(&row.recorded),
            shown(&row.decided),
            row.reason
        ));
    }
    let hidden = found.differ.saturating_sub(found.shown.len() as u64);
    if hidden > 0 {
        report.text.push_str(&format!("… and {hidden} more\n"));
    }
    for (key, (compared, differ)) in found.by_key.iter().filter(|(_, (_, differ))| *differ > 0) {
        report.text.push_str(&format!("{}: {differ} of {compared} differ\n", strong(key)));
    }
    let verdict = format!("{} of {} differ", found.differ, found.compared);
    report.text.push_str(&format!("{}\n", if found.differ == 0 { good(&verdict) } else { bad(&verdict) }));
    let rows: Vec<Value> = found
        .shown
        .iter()
        .map(|row| {
            json!({
                "line": row.line, "id": row.id, "key": row.key, "recorded": row.recorded, "decided": row.decided,
                "reason": row.reason, "why": row.why,
            })
        })
        .collect();
    report.json = json!({"ok": found.differ == 0, "decisions": found.compared, "differ": found.differ, "rows": rows});
    if found.differ > 0 {
        report.problems.push(Problem::error("compare", verdict));
    }
    report
}
