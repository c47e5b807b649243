//! `sortition decide` and `sortition end`: what was decided of an experiment, and why it stopped before its time.
//!
//! A decision goes into the live document; the worker keeps the results of that moment in the archive (`results/`) at its next
//! scheduled run, so that they outlive the experiment.

mod summary;

use super::kv::{Kv, KvArguments};
use super::push::{Change, Live, put_live, read_value, who};
use super::store::Store;
use super::terminal::Status;
use super::{Failure, Report, clock, edit};
use crate::document::{DecisionRecord, Id, Problem, Timestamp, Verdict};
use crate::hash;
use crate::operate;
use crate::plan::KillGuard;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Keep what was decided of an experiment, and make it so.
#[derive(Debug, Args)]
#[command(
    after_help = "`ship` gives the variant to everybody eligible, without exposures; the others end the experiment: control for everybody.
What came out until now is summed up from the record, or from results that were published, and kept in the decision; --summary
gives it where neither can be asked. The worker keeps the results in the archive under results/ at its next scheduled run. Put the
same into the document in git, or the next push takes it back.

Examples:
  sortition decide hero ship bold --why 'Two more sales in a hundred, no loss of revenue.'
  sortition decide hero keep --why 'Bold sells less.'
  sortition decide hero inconclusive --why 'Six weeks, nothing above 1 %.'
  sortition decide hero abort --why 'The banner broke on old phones.'"
)]
pub(super) struct DecideArguments {
    /// The experiment.
    experiment: String,
    /// What is decided.
    what: What,
    /// The variant that ships.
    #[arg(required_if_eq("what", "ship"))]
    variant: Option<String>,
    /// Why.
    #[arg(long)]
    why: String,
    /// What came out, in a sentence; absent: the record is asked.
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kv: KvArguments,
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A variant goes to everybody.
    Ship,
    /// The control stays.
    Keep,
    /// It could not be told.
    Inconclusive,
    /// It was stopped for another reason.
    Abort,
}

impl From<What> for Verdict {
    fn from(what: What) -> Self {
        match what {
            What::Ship => Self::Ship,
            What::Keep => Self::Keep,
            What::Inconclusive => Self::Inconclusive,
            What::Abort => Self::Abort,
        }
    }
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Ship => "ship",
            Self::Keep => "keep",
            Self::Inconclusive => "inconclusive",
            Self::Abort => "abort",
        }
    }
}

/// Stop an experiment before its time, and record why.
#[derive(Debug, Args)]
#[command(after_help = "It completes the live experiment (control for everybody) and records `experiment_ended_early`.

Examples:
  sortition end hero --why 'Prices changed in the middle of it.'")]
pub(super) struct EndArguments {
    /// The experiment.
    experiment: String,
    /// Why.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    kv: KvArguments,
}

fn reason(why: &str) -> Result<&str, Failure> {
    let why = why.trim();
    if why.is_empty() { Err(Failure::Usage("--why says nothing: write a sentence".to_owned())) } else { Ok(why) }
}

fn uneditable() -> Failure {
    Failure::refused("", "what is live cannot be edited: push the document")
}

pub(super) fn decide(arguments: &DecideArguments) -> Result<Report, Failure> {
    let why = reason(&arguments.why)?;
    let word = arguments.what.word();
    if arguments.what != What::Ship && arguments.variant.is_some() {
        return Err(Failure::Usage(format!("`{word}` names no variant: only `ship` does")));
    }
    let kv = Kv(&arguments.kv);
    let mut found = kv.get_all(&["config", "kill", KillGuard::KEY])?.into_iter();
    let live = Live::required(found.next().flatten())?;
    let switches = [found.next().flatten(), found.next().flatten()];
    let (path, experiment) = live.experiment(&arguments.experiment)?;
    let variant = arguments.variant.as_deref().map(|name| variant(&experiment, &path, name)).transpose()?;
    let now = clock::now();
    let summary = match arguments.summary.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => {
            let [kill, guard] = &switches;
            let switches = [kill.as_deref(), guard.as_deref()];
            summed_up(&live, &arguments.experiment, switches, &arguments.kv, now)
        }
    };
    let decision = DecisionRecord {
        what: arguments.what.into(),
        variant,
        by: who(),
        at: now,
        why: why.to_owned(),
        revision: live.document.as_ref().and_then(|document| document.revision.clone()),
        summary: summary.as_ref().ok().cloned(),
    };
    let text = operate::decided(&live.text, &path, &decision).ok_or_else(uneditable)?;
    let change = Change { text, revision: None, kept: None, action: "decide", env: None, dry_run: arguments.dry_run };
    let mut report = put_live(&kv, Some(&live), change, &Default::default())?;
    let ships = decision.variant.as_ref().map_or_else(String::new, |variant| format!(" {variant}"));
    report.text.push_str(&format!(
        "{id}: {word}{ships}. The worker keeps the results under results/{id}/ at its next scheduled run.\n",
        id = arguments.experiment
    ));
    match &summary {
        Ok(summary) => report.text.push_str(&format!("What came out: {summary}\n")),
        Err(why) => {
            let message = format!("the decision keeps no summary of the result: {why} To give one, say --summary TEXT");
            report.problems.push(Problem::warning(format!("{path}.decision.summary"), message));
        }
    }
    report.text.push_str("Put the same decision into the document in git, or the next push takes it back.\n");
    set(&mut report.json, "decision", json!(decision));
    Ok(report)
}

/// The variant of a name.
fn variant(experiment: &Value, path: &str, name: &str) -> Result<Id, Failure> {
    let variants = experiment.get("variants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<&str> = variants.iter().filter_map(|v| v.get("id").and_then(Value::as_str)).collect();
    Id::new(name).filter(|id| ids.contains(&id.as_str())).ok_or_else(|| {
        let id = experiment.get("id").and_then(Value::as_str).unwrap_or_default();
        Failure::refused(format!("{path}.variants"), format!("`{name}` is no variant of {id}: {}", ids.join(", ")))
    })
}

/// What came out of a live experiment, or why that cannot be said.
fn summed_up(
    live: &Live,
    id: &str,
    switches: [Option<&str>; 2],
    place: &KvArguments,
    now: Timestamp,
) -> Result<String, String> {
    let document = live.document.as_ref().ok_or_else(|| "what is live has problems.".to_owned())?;
    let e = document.experiments.iter().find(|e| e.id.as_str() == id);
    let e = e.ok_or_else(|| "it is no experiment.".to_owned())?;
    let _status = Status::show("asking the record what came out");
    summary::of(document, e, switches, place, now)
}

fn set(value: &mut Value, field: &str, to: Value) {
    if let Value::Object(object) = value {
        object.insert(field.to_owned(), to);
    }
}

const ENDING: &str = "INSERT OR IGNORE INTO endings (id, project, experiment_id, variant, ended_reason, ended_at) \
VALUES (?1, ?2, ?3, NULL, ?4, ?5)";

pub(super) fn end(arguments: &EndArguments) -> Result<Report, Failure> {
    let why = reason(&arguments.why)?;
    let kv = Kv(&arguments.kv);
    let live = Live::required(kv.get("config")?)?;
    let (path, experiment) = live.experiment(&arguments.experiment)?;
    let value = read_value(&live.text)?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (project, revision) = (field("project"), field("revision"));
    let iteration = experiment.get("iteration").and_then(Value::as_u64).unwrap_or(1).to_string();
    let text = edit::set(&live.text, &path, "status", &"completed".into()).ok_or_else(uneditable)?;
    let change = Change { text, revision: None, kept: None, action: "end", env: None, dry_run: false };
    let mut report = put_live(&kv, Some(&live), change, &Default::default())?;
    // why: the experiment stops first; the record of it follows
    let at = clock::now();
    let id = hash::event_id(&["ended", &project, &arguments.experiment, &iteration, "person", why]);
    let event = json!({
        "type": "experiment_ended_early", "id": id, "project": project, "config_revision": revision, "at": at,
        "anonymous_id": null, "user_id": null, "experiment_id": arguments.experiment, "variant": null,
        "ended_reason": why, "ended_at": at,
    });
    let mut store = Store::open(&arguments.kv)?;
    let (has_record, has_archive) = (store.databases()? > 0, store.has_archive()?);
    if has_record {
        store.run(&[(ENDING, json!([id, project, arguments.experiment, why, at.to_string()]))])?;
    }
    if has_archive {
        store.put(&archived(&id, at), &format!("{event}\n"))?;
    }
    if has_record || has_archive {
        report.text.push_str(&format!("recorded: {} ended early: {why}\n", arguments.experiment));
    } else {
        let message = "neither LEDGER nor ARCHIVE is bound, so nothing keeps why it ended";
        report.problems.push(Problem::warning(path, message));
    }
    set(&mut report.json, "event", event);
    Ok(report)
}

/// Where the archive keeps the event.
fn archived(id: &str, at: Timestamp) -> String {
    let at = at.to_string();
    let (day, hour) = (at.get(..10).unwrap_or_default(), at.get(11..13).unwrap_or_default());
    format!("events/dt={day}/hour={hour}/{id}.ndjson")
}
