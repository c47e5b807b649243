//! `sortition kill` and `ramp`: changes to what is live, without a document at hand.

use super::diff::Options;
use super::kv::{Kv, KvArguments};
use super::push::{Change, Live, note, put_live, read_value};
use super::terminal::{self, bad, good};
use super::{Failure, Report, edit};
use crate::document::{Id, Percent, Problem};
use crate::plan::{Kill, KillGuard};
use clap::Args;
use serde_json::{Value, json};

/// Give everybody the control, at once; `--off` ends it.
#[derive(Debug, Args)]
#[command(
    after_help = "It writes the KV key `kill` and leaves the document alone. Control is everywhere after KV's propagation (up to a minute) and CONFIG_TTL_SECONDS.

Examples:
  sortition kill hero          one experiment
  sortition kill --all         all of them; a terminal asks for a word of confirmation
  sortition kill hero --off    it runs again, everybody with the variant they had
  sortition kill --all --off   everything runs again"
)]
pub(super) struct KillArguments {
    /// The experiment.
    pub(super) experiment: Option<String>,
    /// Every experiment.
    #[arg(long, conflicts_with = "experiment")]
    pub(super) all: bool,
    /// End it; without an experiment, every kill.
    #[arg(long)]
    pub(super) off: bool,
    /// Do not ask for confirmation on a terminal.
    #[arg(long)]
    pub(super) yes: bool,
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
    #[arg(value_parser = super::quantity::number)]
    percent: f64,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kv: KvArguments,
}

pub(super) fn kill(arguments: &KillArguments) -> Result<Report, Failure> {
    if arguments.experiment.is_none() && !arguments.all && !arguments.off {
        let advice = "name an experiment, or --all for every one: sortition kill hero, sortition kill --all";
        return Err(Failure::Usage(advice.to_owned()));
    }
    let everything = arguments.experiment.is_none() && !arguments.off;
    if everything && !arguments.yes && !terminal::confirmed("every experiment gives everybody the control", "kill") {
        return Err(Failure::Outside("nothing was killed: the word was another one".to_owned()));
    }
    turn(arguments, || ())
}

/// Turns the switch, and says by `written` when that is in KV: reading it back and the note of it come after.
pub(super) fn turn(arguments: &KillArguments, written: impl FnOnce()) -> Result<Report, Failure> {
    let kv = Kv(&arguments.kv);
    let mut problems = Vec::new();
    let mut found = kv.get_all(&["config", "kill", KillGuard::KEY])?.into_iter();
    let live = found.next().flatten().map(Live::new);
    let (found, guard) = (found.next().flatten(), found.next().flatten());
    let before = match &found {
        None => Kill::default(),
        Some(text) => Kill::parse(text).unwrap_or_else(|problem| {
            problems.push(Problem::warning("kill", problem.to_string()));
            Kill::everything()
        }),
    };
    let mut after = before.clone();
    let id = arguments
        .experiment
        .as_deref()
        .map(|name| Id::new(name).ok_or_else(|| Failure::Usage(format!("`{name}` is no experiment's id"))));
    let id = id.transpose()?;
    match &id {
        None => after = if arguments.off { Kill::default() } else { Kill { all: true, ..before.clone() } },
        Some(id) => {
            let known = live.as_ref().and_then(|live| live.document.as_ref());
            if let Some(document) = known.filter(|document| document.experiments.iter().all(|e| e.id != *id)) {
                let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
                // why: ending a kill of what is gone tidies up
                if !arguments.off {
                    return Err(Failure::refused("kill", format!("no live experiment is `{id}`: {}", ids.join(", "))));
                }
            }
            after.experiments.retain(|killed| killed != id);
            if !arguments.off {
                after.experiments.push(id.clone());
            } else if after.all {
                problems.push(Problem::warning("kill", "everything is killed: `sortition kill --all --off` ends that"));
            }
        }
    }
    // why: what the worker's guard ended is lifted by the same command, or it would stay ended for no visible reason
    let guard = guard.filter(|_| arguments.off).map(|text| Guard::without(&text, id.as_ref()));
    let freed = guard.as_ref().map(|guard| guard.freed.clone()).unwrap_or_default();
    let lifted =
        arguments.off && (after != before || found.is_some() && before == Kill::default() || !freed.is_empty());
    if !lifted && arguments.off {
        let what = id.as_ref().map_or_else(|| "nothing".to_owned(), |id| format!("`{id}`"));
        let said = if id.is_some() { format!("{what} was not killed") } else { "nothing was killed".to_owned() };
        return Ok(Report {
            text: format!("{said}, so nothing was lifted: {}\n", told(&before)),
            json: json!({"ok": true, "kill": value(&before), "lifted": false, "guard_lifted": []}),
            problems,
        });
    }
    if after != before || found.is_some() && before == Kill::default() {
        write(&kv, "kill", (after != Kill::default()).then(|| value(&after)), found.is_some())?;
    }
    written();
    if kv.get("kill")?.map(|text| Kill::parse(&text)).unwrap_or_else(|| Ok(Kill::default())) != Ok(after.clone()) {
        return Err(Failure::Outside("`kill` was written, but another value is read back: run it again".to_owned()));
    }
    if let Some(guard) = guard.filter(|guard| !guard.freed.is_empty()) {
        write(&kv, KillGuard::KEY, guard.left, true)?;
    }
    let summary = if freed.is_empty() {
        told(&after)
    } else {
        format!("{}; lifted what the guard had stopped: {}", told(&after), freed.join(", "))
    };
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
    let json = json!({"ok": true, "kill": value(&after), "lifted": lifted, "guard_lifted": freed});
    Ok(Report { text, json, problems })
}

/// Writes a key, or removes it where it is to say nothing.
fn write(kv: &Kv<'_>, key: &str, to: Option<Value>, is_there: bool) -> Result<(), Failure> {
    match to {
        Some(value) => kv.put(key, &format!("{value}\n")),
        None if is_there => kv.delete(key),
        None => Ok(()),
    }
}

/// What becomes of the guard's key.
struct Guard {
    /// The experiments that it no longer stops.
    freed: Vec<String>,
    /// What is left of it; `None`: nothing.
    left: Option<Value>,
}

impl Guard {
    /// The key without one experiment, or without all: what the guard ended and what it held. The shares that it moved are
    /// no stop, and stay.
    fn without(text: &str, id: Option<&Id>) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(text) else {
            // why: what cannot be read stops everything
            return Self { freed: vec!["everything".to_owned()], left: None };
        };
        let mut freed = std::collections::BTreeSet::new();
        let is_meant = |name: &str| id.is_none_or(|id| id.as_str() == name);
        if id.is_none() && fields.remove("all") == Some(Value::Bool(true)) {
            freed.insert("everything".to_owned());
        }
        if let Some(Value::Array(ended)) = fields.get_mut("experiments") {
            ended.retain(|name| {
                let meant = name.as_str().filter(|name| is_meant(name));
                meant.is_none_or(|name| !freed.insert(name.to_owned()))
            });
        }
        if let Some(Value::Object(held)) = fields.get_mut("hold") {
            held.retain(|name, _| {
                let meant = is_meant(name);
                if meant {
                    freed.insert(name.clone());
                }
                !meant
            });
        }
        let is_empty = |value: &Value| match value {
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        fields.retain(|_, value| !is_empty(value));
        Self { freed: freed.into_iter().collect(), left: (!fields.is_empty()).then_some(Value::Object(fields)) }
    }
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
    let value = read_value(&live.text)?;
    let experiments = value.get("experiments").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |e: &Value| e.get("id").and_then(Value::as_str) == Some(&arguments.experiment);
    let place = experiments.iter().position(named).ok_or_else(|| {
        Failure::refused(
            "experiments",
            format!("no live experiment is `{}`: see `sortition list`", arguments.experiment),
        )
    })?;
    let path = format!("experiments[{place}]");
    // why: a step of the plan that has come would overrule what was just said
    let text = edit::remove(&live.text, &path, "ramp")
        .and_then(|text| edit::set(&text, &path, "traffic", &number(percent)))
        .ok_or_else(|| Failure::refused("", "what is live cannot be edited: push the document"))?;
    let change = Change { text, revision: None, kept: None, action: "ramp", env: None, dry_run: arguments.dry_run };
    let mut report = put_live(&kv, Some(&live), change, &Options::default())?;
    let before = experiments.get(place).and_then(|e| e.get("traffic")).and_then(Value::as_f64).unwrap_or(100.0);
    report.text.push_str("Put the same traffic into the document in git, or the next push takes it back.\n");
    if f64::from(percent) < before {
        report.text.push_str(
            "Who is in stays in, with the variant they have: less traffic keeps others out. To stop for everybody: sortition kill\n",
        );
    } else {
        report.text.push_str("Who is in stays in; more traffic only lets others in.\n");
    }
    Ok(report)
}

/// `25` rather than `25.0`.
fn number(percent: Percent) -> Value {
    let number = f64::from(percent);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if number.fract() == 0.0 { (number as u64).into() } else { number.into() }
}
