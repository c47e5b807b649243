//! `sortition kill` and `ramp`: changes to what is live, without a document at hand.

use super::diff::Options;
use super::kv::{Kv, KvArguments};
use super::push::{Change, Live, put_live, who};
use super::terminal::{self, bad, good};
use super::{Failure, Report, clock};
use crate::document::{Id, Percent, Problem};
use crate::operate::{self, Note, Turned, told_of, value_of};
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
    let id = arguments
        .experiment
        .as_deref()
        .map(|name| Id::new(name).ok_or_else(|| Failure::Usage(format!("`{name}` is no experiment's id"))));
    let id = id.transpose()?;
    let known = live.as_ref().and_then(|live| live.document.as_ref());
    // why: ending a kill of what is gone tidies up
    if let (Some(id), Some(document), false) = (&id, known, arguments.off)
        && document.experiments.iter().all(|e| e.id != *id)
    {
        let ids: Vec<&str> = document.experiments.iter().map(|e| e.id.as_str()).collect();
        return Err(Failure::refused("kill", format!("no live experiment is `{id}`: {}", ids.join(", "))));
    }
    let Turned { after, guard, stays_killed } = operate::turned(&before, guard.as_deref(), id.as_ref(), arguments.off);
    if stays_killed {
        problems.push(Problem::warning("kill", "everything is killed: `sortition kill --all --off` ends that"));
    }
    let freed = guard.as_ref().map(|guard| guard.freed.clone()).unwrap_or_default();
    let lifted =
        arguments.off && (after != before || found.is_some() && before == Kill::default() || !freed.is_empty());
    if !lifted && arguments.off {
        let what = id.as_ref().map_or_else(|| "nothing".to_owned(), |id| format!("`{id}`"));
        let said = if id.is_some() { format!("{what} was not killed") } else { "nothing was killed".to_owned() };
        return Ok(Report {
            text: format!("{said}, so nothing was lifted: {}\n", told_of(&before)),
            json: json!({"ok": true, "kill": value_of(&before), "lifted": false, "guard_lifted": []}),
            problems,
        });
    }
    if after != before || found.is_some() && before == Kill::default() {
        write(&kv, "kill", (after != Kill::default()).then(|| value_of(&after)), found.is_some())?;
    }
    written();
    if kv.get("kill")?.map(|text| Kill::parse(&text)).unwrap_or_else(|| Ok(Kill::default())) != Ok(after.clone()) {
        return Err(Failure::Outside("`kill` was written, but another value is read back: run it again".to_owned()));
    }
    if let Some(guard) = guard {
        write(&kv, KillGuard::KEY, guard.left, true)?;
    }
    let summary = if freed.is_empty() {
        told_of(&after)
    } else {
        format!("{}; lifted what the guard had stopped: {}", told_of(&after), freed.join(", "))
    };
    // why: stopping harm comes first; the note follows, and its failure must not look like one of the switch
    let revision = live.as_ref().and_then(|live| live.document.as_ref()).and_then(|d| d.revision.clone());
    let revision = revision.unwrap_or_else(|| "unknown".to_owned());
    let (at, who) = (clock::now(), who());
    let experiments: Vec<String> = id.iter().map(ToString::to_string).collect();
    let note = Note {
        at,
        who: &who,
        action: "kill",
        from: Some(&revision),
        to: &revision,
        env: None,
        summary: std::slice::from_ref(&summary),
        experiments: &experiments,
    };
    let (key, entry) = note.entry();
    if kv.put(&key, &entry).is_err() {
        problems.push(Problem::warning("audit", "the switch is set, but the note of it could not be written"));
    }
    let painted = if after == Kill::default() { good(&summary) } else { bad(&summary) };
    let wait = "control is everywhere after KV's propagation (up to a minute) and CONFIG_TTL_SECONDS";
    let text = if arguments.off { format!("{painted}\n") } else { format!("{painted}\n{wait}\n") };
    let json = json!({"ok": true, "kill": value_of(&after), "lifted": lifted, "guard_lifted": freed});
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

pub(super) fn ramp(arguments: &RampArguments) -> Result<Report, Failure> {
    let percent = Percent::try_from(arguments.percent).map_err(Failure::Usage)?;
    let kv = Kv(&arguments.kv);
    let live = Live::required(kv.get("config")?)?;
    let (path, experiment) = live.experiment(&arguments.experiment)?;
    let text = operate::ramped(&live.text, &path, percent)
        .ok_or_else(|| Failure::refused("", "what is live cannot be edited: push the document"))?;
    let change = Change { text, revision: None, kept: None, action: "ramp", env: None, dry_run: arguments.dry_run };
    let mut report = put_live(&kv, Some(&live), change, &Options::default())?;
    let before = experiment.get("traffic").and_then(Value::as_f64).unwrap_or(100.0);
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
