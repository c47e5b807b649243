//! `sortition decide` and `sortition end`: what was decided of an experiment, and why it stopped before its time.
//!
//! A decision goes into the live document; the worker keeps the results of that moment in the archive (`results/`) at its next
//! scheduled run, so that they outlive the experiment.

use super::kv::{Kv, KvArguments};
use super::push::{Change, Live, put_live, read_value, who};
use super::store::Store;
use super::{Failure, Report, clock, edit};
use crate::document::{Id, Timestamp};
use crate::hash;
use crate::operate;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Keep what was decided of an experiment, and make it so.
#[derive(Debug, Args)]
#[command(
    after_help = "`ship` gives the variant to everybody eligible, without exposures; the others end the experiment: control for everybody.
The worker keeps the results in the archive under results/ at its next scheduled run. Put the same into the document in git, or
the next push takes it back.

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

/// A live experiment: its place in the document, and itself.
fn find(live: &Live, id: &str) -> Result<(String, Value), Failure> {
    let value = read_value(&live.text)?;
    let experiments = value.get("experiments").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let at = experiments.iter().position(|e| e.get("id").and_then(Value::as_str) == Some(id));
    let found = at.and_then(|at| Some((format!("experiments[{at}]"), experiments.get(at)?.clone())));
    found.ok_or_else(|| Failure::refused("experiments", format!("no live experiment is `{id}`: see `sortition list`")))
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
    let kv = Kv(&arguments.kv);
    let live = Live::read(&kv)?.ok_or_else(|| Failure::refused("", "nothing is live: `sortition push` first"))?;
    let (path, experiment) = find(&live, &arguments.experiment)?;
    if arguments.what != What::Ship && arguments.variant.is_some() {
        let word = arguments.what.word();
        return Err(Failure::Usage(format!("`{word}` names no variant: only `ship` does")));
    }
    let mut decision = json!({"what": arguments.what.word()});
    if let Some(variant) = &arguments.variant {
        let variants = experiment.get("variants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<&str> = variants.iter().filter_map(|v| v.get("id").and_then(Value::as_str)).collect();
        if Id::new(variant).is_none() || !ids.contains(&variant.as_str()) {
            let message = format!("`{variant}` is no variant of {}: {}", arguments.experiment, ids.join(", "));
            return Err(Failure::refused(format!("{path}.variants"), message));
        }
        set(&mut decision, "variant", variant.as_str().into());
    }
    let now = clock::now();
    set(&mut decision, "by", who().into());
    set(&mut decision, "at", now.to_string().into());
    set(&mut decision, "why", why.into());
    if let Some(revision) = live.document.as_ref().and_then(|document| document.revision.as_deref()) {
        set(&mut decision, "revision", revision.into());
    }
    let text = operate::decided(&live.text, &path, &decision, arguments.variant.as_deref()).ok_or_else(uneditable)?;
    let change = Change { text, revision: None, kept: None, action: "decide", env: None, dry_run: arguments.dry_run };
    let mut report = put_live(&kv, Some(&live), change, &Default::default())?;
    report.text.push_str(&format!(
        "{}: {}{}. The worker keeps the results under results/{}/ at its next scheduled run.\nPut the same decision into the document in git, or the next push takes it back.\n",
        arguments.experiment,
        arguments.what.word(),
        arguments.variant.as_ref().map_or_else(String::new, |variant| format!(" {variant}")),
        arguments.experiment
    ));
    set(&mut report.json, "decision", decision);
    Ok(report)
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
    let live = Live::read(&kv)?.ok_or_else(|| Failure::refused("", "nothing is live: `sortition push` first"))?;
    let (path, experiment) = find(&live, &arguments.experiment)?;
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
    store.run(&[(ENDING, json!([id, project, arguments.experiment, why, at.to_string()]))])?;
    store.put(&archived(&id, at), &format!("{event}\n"))?;
    report.text.push_str(&format!("recorded: {} ended early: {why}\n", arguments.experiment));
    set(&mut report.json, "event", event);
    Ok(report)
}

/// Where the archive keeps the event.
fn archived(id: &str, at: Timestamp) -> String {
    let at = at.to_string();
    let (day, hour) = (at.get(..10).unwrap_or_default(), at.get(11..13).unwrap_or_default());
    format!("events/dt={day}/hour={hour}/{id}.ndjson")
}
