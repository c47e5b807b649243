//! `sortition kill` and `ramp`: changes to what is live, without a document at hand.

use super::diff::Options;
use super::kv::{Kv, KvArguments};
use super::push::{Change, Live, note, put_live, read_value};
use super::terminal::{bad, good};
use super::{Failure, Report};
use crate::document::{Id, Percent, Problem};
use crate::plan::Kill;
use clap::Args;
use serde_json::{Value, json};

/// Give everybody the control, at once; `--off` ends it.
#[derive(Debug, Args)]
#[command(
    after_help = "It writes the KV key `kill` and leaves the document alone. Control is everywhere after KV's propagation (up to a minute) and CONFIG_TTL_SECONDS.

Examples:
  sortition kill hero          one experiment
  sortition kill               all of them
  sortition kill hero --off    it runs again, everybody with the variant they had
  sortition kill --off         everything runs again"
)]
pub(super) struct KillArguments {
    /// The experiment; absent: all.
    pub(super) experiment: Option<String>,
    /// End it.
    #[arg(long)]
    pub(super) off: bool,
    #[command(flatten)]
    pub(super) kv: KvArguments,
}

/// Change the traffic of a live experiment.
#[derive(Debug, Args)]
#[command(
    after_help = "It pushes the live document with another `traffic`, and without the experiment's own `ramp`. Put the same into your repository, or the next push takes it back.

Examples:
  sortition ramp hero 25
  sortition ramp hero 0.5"
)]
pub(super) struct RampArguments {
    /// The experiment.
    experiment: String,
    /// The new traffic in per cent, two decimals.
    percent: f64,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kv: KvArguments,
}

pub(super) fn kill(arguments: &KillArguments) -> Result<Report, Failure> {
    turn(arguments, || ())
}

/// Turns the switch, and says by `written` when that is in KV: reading it back and the note of it come after.
pub(super) fn turn(arguments: &KillArguments, written: impl FnOnce()) -> Result<Report, Failure> {
    let kv = Kv(&arguments.kv);
    let mut problems = Vec::new();
    let (live, found) = Live::read_with(&kv, "kill")?;
    let before = match &found {
        None => Kill::default(),
        Some(text) => Kill::parse(text).unwrap_or_else(|problem| {
            problems.push(Problem::warning("kill", problem));
            Kill::everything()
        }),
    };
    let mut after = before.clone();
    match &arguments.experiment {
        None => after = if arguments.off { Kill::default() } else { Kill { all: true, ..before.clone() } },
        Some(name) => {
            let id = Id::new(name).ok_or_else(|| Failure::Usage(format!("`{name}` is no experiment's id")))?;
            let known = live.as_ref().and_then(|live| live.document.as_ref());
            if let Some(document) = known.filter(|document| document.experiments.iter().all(|e| e.id != id)) {
                let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
                // why: ending a kill of what is gone tidies up
                if !arguments.off {
                    return Err(Failure::refused("kill", format!("no live experiment is `{id}`: {}", ids.join(", "))));
                }
            }
            after.experiments.retain(|killed| *killed != id);
            if !arguments.off {
                after.experiments.push(id);
            } else if after.all {
                problems.push(Problem::warning("kill", "everything is killed: `sortition kill --off` ends that"));
            }
        }
    }
    let summary = told(&after);
    if after == Kill::default() {
        if found.is_some() {
            kv.delete("kill")?;
        }
    } else {
        kv.put("kill", &format!("{}\n", value(&after)))?;
    }
    written();
    if kv.get("kill")?.map(|text| Kill::parse(&text)).unwrap_or_else(|| Ok(Kill::default())) != Ok(after.clone()) {
        return Err(Failure::Outside("`kill` was written, but another value is read back: run it again".to_owned()));
    }
    // why: stopping harm comes first; the note follows, and its failure must not look like one of the switch
    let revision = live.as_ref().and_then(|live| live.document.as_ref()).and_then(|d| d.revision.clone());
    let revision = revision.unwrap_or_else(|| "unknown".to_owned());
    let (key, entry) = note("kill", Some(&revision), &revision, None, std::slice::from_ref(&summary));
    if kv.put(&key, &entry).is_err() {
        problems.push(Problem::warning("audit", "the switch is set, but the note of it could not be written"));
    }
    let painted = if after == Kill::default() { good(&summary) } else { bad(&summary) };
    let wait = "control is everywhere after KV's propagation (up to a minute) and CONFIG_TTL_SECONDS";
    let text = if arguments.off { format!("{painted}\n") } else { format!("{painted}\n{wait}\n") };
    Ok(Report { text, json: json!({"ok": true, "kill": value(&after)}), problems })
}

fn value(kill: &Kill) -> Value {
    let mut value = serde_json::Map::new();
    if kill.all {
        value.insert("all".to_owned(), true.into());
    }
    if !kill.experiments.is_empty() {
        value.insert("experiments".to_owned(), kill.experiments.iter().map(Id::as_str).collect());
    }
    Value::Object(value)
}

fn told(kill: &Kill) -> String {
    let ids: Vec<&str> = kill.experiments.iter().map(Id::as_str).collect();
    match (kill.all, ids.is_empty()) {
        (true, _) => "killed: everything".to_owned(),
        (false, false) => format!("killed: {}", ids.join(", ")),
        (false, true) => "nothing is killed".to_owned(),
    }
}

pub(super) fn ramp(arguments: &RampArguments) -> Result<Report, Failure> {
    let percent = Percent::try_from(arguments.percent).map_err(Failure::Usage)?;
    let kv = Kv(&arguments.kv);
    let live = Live::read(&kv)?.ok_or_else(|| Failure::refused("", "nothing is live: `sortition push` first"))?;
    let mut value = read_value(&live.text)?;
    let experiments = value.get_mut("experiments").and_then(Value::as_array_mut);
    let experiment = experiments
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
        .find(|experiment| experiment.get("id").and_then(Value::as_str) == Some(&arguments.experiment));
    let experiment = experiment.ok_or_else(|| {
        Failure::refused(
            "experiments",
            format!("no live experiment is `{}`: see `sortition list`", arguments.experiment),
        )
    })?;
    experiment.insert("traffic".to_owned(), f64::from(percent).into());
    // why: a step of the plan that has come would overrule what was just said
    experiment.remove("ramp");
    let change = Change { value, revision: None, kept: None, action: "ramp", env: None, dry_run: arguments.dry_run };
    put_live(&kv, Some(&live), change, &Options { allow: Vec::new(), visitors: 20_000 })
}
