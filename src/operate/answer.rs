//! An action, from what is live to what becomes of it.

use super::Action;
use super::note::Note;
use super::switch::{Turned, told_of, turned, value_of};
use super::text::{decided, ramped};
use crate::changes::{Change, Danger, changes};
use crate::document::{
    DecisionRecord, Document, Experiment, Id, Percent, Problem, Severity, Timestamp, Verdict, policy, warnings,
};
use crate::edit;
use crate::plan::{Kill, Plan};
use serde_json::{Map, Value, json};

/// The longest text that an action brings along, in characters.
const LONGEST_TEXT: usize = 2_000;

/// What is live.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// The document.
    pub config: &'a str,
    /// The key `kill`.
    pub kill: Option<&'a str>,
    /// The key `kill-guard`.
    pub guard: Option<&'a str>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What to do.
    pub action: Action,
    /// With which experiment.
    pub id: &'a str,
    /// How: `percent`, `what`, `variant`, `why`, `summary`, `text`, `experiment`, `allow`.
    pub arguments: &'a Map<String, Value>,
    /// Who asks, for the audit trail.
    pub who: &'a str,
    /// When.
    pub now: Timestamp,
    /// Whether the document is the one in git, of which no revision is live.
    pub in_git: bool,
}

/// What becomes of it.
#[derive(Clone, Debug, Default)]
pub struct Acted {
    /// The next document, where it changes.
    pub config: Option<String>,
    /// The next `kill`, where it changes; `Some(None)`: the key goes.
    pub kill: Option<Option<Value>>,
    /// The next `kill-guard`, likewise.
    pub guard: Option<Option<Value>>,
    /// Who acts, as it may stand in notes.
    pub who: String,
    /// The revision before.
    pub from: String,
    /// The revision after.
    pub revision: String,
    /// What changes, in words.
    pub summary: Vec<String>,
    /// What changes of the document.
    pub diff: Vec<Change>,
    /// What `check` says of it: warnings, since errors refuse it.
    pub check: Vec<Problem>,
    /// The key and the entry of the audit trail.
    pub audit: (String, String),
    /// Whether nothing changes, so that there is nothing to write.
    pub unchanged: bool,
}

/// Carries an action out on texts.
///
/// # Errors
///
/// Why it is refused, each reason with its field.
pub fn act(live: Live<'_>, asked: &Asked<'_>) -> Result<Acted, Vec<Problem>> {
    let one = |path: &str, message: String| vec![Problem::error(path, message)];
    let (old, unreadable) = match Document::parse(live.config) {
        Ok(old) => (Some(old), None),
        // why: workers go on with the document before, of which something may have to be stopped
        Err(problem) if !asked.action.changes_document() => (None, Some(problem)),
        Err(problem) => return Err(vec![problem]),
    };
    let from = old.as_ref().and_then(|old| old.revision.clone()).unwrap_or_else(|| "unknown".to_owned());
    let id = Id::new(asked.id).ok_or_else(|| one("id", format!("`{}` is no experiment's id", shown(asked.id))))?;
    let place = old.as_ref().and_then(|old| old.experiments.iter().position(|e| e.id == id));
    if old.is_some() && place.is_none() && !matches!(asked.action, Action::Draft | Action::Lift) {
        return Err(one("id", format!("no live experiment is `{id}`")));
    }
    if name(asked.who).is_empty() {
        return Err(one("who", "write your name: the audit trail says who did it".to_owned()));
    }
    let mut acted = Acted { who: name(asked.who), from: from.clone(), revision: from, ..Acted::default() };
    acted.check.extend(unreadable.map(|problem| Problem::warning(problem.path, problem.message)));
    match asked.action {
        Action::Kill | Action::Lift => switch(live, asked, &id, &mut acted)?,
        Action::Comment => {
            let text = text(asked, "text")?;
            acted.summary = vec![format!("{id}: {text}")];
        }
        _ => {
            if let Some(old) = &old {
                let path = format!("experiments[{}]", place.unwrap_or(old.experiments.len()));
                let text = changed(live.config, &path, old, place, asked)?;
                document(old, text, asked, &mut acted)?;
            }
        }
    }
    // why: a decision keeps its reason itself, and the page's form sends a comment as both
    let given = |name| asked.arguments.get(name).and_then(Value::as_str).map(str::trim).filter(|it| !it.is_empty());
    let is_said = asked.action == Action::Comment && given("why") == given("text");
    if asked.action != Action::Decide && given("why").is_some() && !is_said {
        acted.summary.push(format!("why: {}", text(asked, "why")?));
    }
    acted.audit = audit(asked, &acted);
    Ok(acted)
}

/// Who acts, as it may stand in a note, a document and a commit: a line of bounded length.
fn name(who: &str) -> String {
    let line: String = who.chars().filter(|c| !c.is_control()).collect();
    line.trim().chars().take(100).collect()
}

/// The note of who did what, when, as the tool writes it.
fn audit(asked: &Asked<'_>, acted: &Acted) -> (String, String) {
    // why: the tool has one command for both
    let action = if asked.action == Action::Lift { "kill" } else { asked.action.word() };
    let note = Note {
        at: asked.now,
        who: &acted.who,
        action,
        from: Some(&acted.from),
        to: &acted.revision,
        env: None,
        summary: &acted.summary,
        experiments: &[asked.id.to_owned()],
    };
    note.entry()
}

fn switch(live: Live<'_>, asked: &Asked<'_>, id: &Id, acted: &mut Acted) -> Result<(), Vec<Problem>> {
    let before = match live.kill {
        None => Kill::default(),
        Some(text) => Kill::parse(text).unwrap_or_else(|problem| {
            acted.check.push(Problem::warning("kill", problem.to_string()));
            Kill::everything()
        }),
    };
    let Turned { after, guard, stays_killed } = turned(&before, live.guard, Some(id), asked.action == Action::Lift);
    if stays_killed {
        acted.check.push(Problem::warning("kill", "everything is killed: the tool's `kill --all --off` ends that"));
    }
    acted.summary = vec![told_of(&after)];
    if let Some(guard) = guard {
        acted.summary.push(format!("lifted what the guard had stopped: {}", guard.freed.join(", ")));
        acted.guard = Some(guard.left);
    }
    if after != before {
        acted.kill = Some((after != Kill::default()).then(|| value_of(&after)));
    }
    acted.unchanged = acted.kill.is_none() && acted.guard.is_none();
    Ok(())
}

/// The document's text with the change.
fn changed(
    config: &str,
    path: &str,
    old: &Document,
    place: Option<usize>,
    asked: &Asked<'_>,
) -> Result<String, Vec<Problem>> {
    let one = |field: &str, message: String| vec![Problem::error(field, message)];
    let status = || {
        let e = place.and_then(|place| old.experiments.get(place))?;
        serde_json::to_value(e.status).ok()?.as_str().map(str::to_owned)
    };
    let status = status().unwrap_or_default();
    let text = match asked.action {
        Action::Pause if status == "running" => edit::set(config, path, "status", &"paused".into()),
        Action::Pause => return Err(one("status", format!("it is {status}: only what is running can be paused"))),
        Action::Resume if status == "paused" || status == "draft" => {
            edit::set(config, path, "status", &"running".into())
        }
        Action::Resume => {
            return Err(one("status", format!("it is {status}: only what is paused, or a draft, can be turned on")));
        }
        Action::Ramp => ramped(config, path, percent(asked)?),
        Action::Decide => {
            let e = place.and_then(|place| old.experiments.get(place));
            decided(config, path, &decision(old, e, asked)?)
        }
        _ => {
            if place.is_some() {
                return Err(one("id", format!("there is an experiment `{}` already", asked.id)));
            }
            edit::push(config, "experiments", &draft(asked)?)
        }
    };
    text.ok_or_else(|| one("", "what is live cannot be edited: push the document".to_owned()))
}

/// The decision that is asked for, of an experiment.
fn decision(old: &Document, e: Option<&Experiment>, asked: &Asked<'_>) -> Result<DecisionRecord, Vec<Problem>> {
    let one = |field: &str, message: String| vec![Problem::error(field, message)];
    let what = text(asked, "what")?;
    let known: Option<Verdict> = serde_json::from_value(what.as_str().into()).ok();
    let known = known.ok_or_else(|| one("what", format!("`{what}` is none of ship, keep, inconclusive, abort")))?;
    let ids: Vec<&Id> = e.into_iter().flat_map(|e| &e.variants).map(|variant| &variant.id).collect();
    let variant = match known {
        Verdict::Ship => {
            let given = text(asked, "variant")?;
            let found = ids.iter().find(|id| id.as_str() == given).copied().cloned();
            let names: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
            Some(found.ok_or_else(|| {
                one("variant", format!("`{given}` is no variant of {}: {}", asked.id, names.join(", ")))
            })?)
        }
        _ => None,
    };
    let is_given = asked.arguments.get("summary").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    Ok(DecisionRecord {
        what: known,
        variant,
        by: name(asked.who),
        at: asked.now,
        why: text(asked, "why")?,
        revision: old.revision.clone(),
        summary: if is_given { Some(text(asked, "summary")?) } else { None },
    })
}

/// The new experiment of a draft.
fn draft(asked: &Asked<'_>) -> Result<Value, Vec<Problem>> {
    let one = |message: &str| vec![Problem::error("experiment", message)];
    let given = match asked.arguments.get("experiment") {
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| one(&format!("it is no JSON: {error}")))?
        }
        Some(value) => value.clone(),
        None => return Err(one("it is missing: send the experiment as the document would have it")),
    };
    let Value::Object(mut experiment) = given else { return Err(one("it is no object")) };
    if experiment.get("id").is_some_and(|id| id.as_str() != Some(asked.id)) {
        return Err(one(&format!("its id is another one than `{}`", asked.id)));
    }
    let mut draft = Map::new();
    draft.insert("id".to_owned(), asked.id.into());
    draft.insert("status".to_owned(), "draft".into());
    experiment.remove("id");
    experiment.remove("status");
    draft.extend(experiment);
    Ok(Value::Object(draft))
}

/// Checks the next document and says what it changes.
fn document(old: &Document, text: String, asked: &Asked<'_>, acted: &mut Acted) -> Result<(), Vec<Problem>> {
    let revision: String = if asked.in_git {
        acted.from.clone()
    } else {
        asked.now.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let text = match asked.in_git {
        true => text,
        false => edit::set(text.trim(), "", "revision", &revision.as_str().into())
            .ok_or_else(|| vec![Problem::error("", "it is no JSON object")])?,
    };
    let next = Document::parse(&text).map_err(|problem| vec![problem])?;
    Plan::compile(&next)?;
    // why: what a push would refuse does not get in by another door; what is live already may be acted on
    let before: Vec<String> = policy(old).all().map(|problem| problem.path).collect();
    let broken = policy(&next).all().filter(|problem| !before.contains(&problem.path));
    let broken: Vec<Problem> = broken.map(|problem| Problem::error(problem.path, problem.message)).collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    acted.check = warnings(&next, asked.now);
    acted.diff = changes(old, &next, asked.now);
    let allowed: Vec<&str> = match asked.arguments.get("allow") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_allowed = |danger: &Danger| allowed.contains(&&*danger.to_string());
    let refused = acted.diff.iter().filter_map(|change| {
        let danger = change.danger.filter(|danger| !is_allowed(danger))?;
        let advice = format!("if that is meant, send \"allow\": [\"{danger}\"]");
        Some(Problem::error(change.path.clone(), format!("{}: {}; {advice}", change.words, danger.consequence())))
    });
    let refused: Vec<Problem> = refused.collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    acted.summary = acted.diff.iter().map(|change| format!("{}: {}", change.path, change.words)).collect();
    acted.unchanged = acted.diff.is_empty();
    if !acted.unchanged {
        (acted.config, acted.revision) = (Some(text), revision);
    }
    Ok(())
}

/// A text of the arguments, which must say something.
fn text(asked: &Asked<'_>, field: &str) -> Result<String, Vec<Problem>> {
    let given = asked.arguments.get(field).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if given.is_empty() {
        return Err(vec![Problem::error(field, "it says nothing: write it down")]);
    }
    if given.chars().count() > LONGEST_TEXT {
        return Err(vec![Problem::error(field, format!("it is longer than {LONGEST_TEXT} characters"))]);
    }
    Ok(given.chars().filter(|c| !c.is_control() || *c == '\n').collect())
}

fn percent(asked: &Asked<'_>) -> Result<Percent, Vec<Problem>> {
    let wrong = |message: String| vec![Problem::error("percent", message)];
    let given = match asked.arguments.get("percent") {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let given = given.ok_or_else(|| wrong("write a number of per cent, 0 to 100".to_owned()))?;
    Percent::try_from(given).map_err(wrong)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// An answer of the API: what was done or would be, with what `check` and `diff` say.
impl Acted {
    /// As JSON; `written`: whether it was carried out.
    #[must_use]
    pub fn to_json(&self, action: Action, written: bool) -> Value {
        let diff = |change: &Change| json!({"path": change.path, "words": change.words, "danger": change.danger.map(|danger| danger.to_string())});
        let problem = |problem: &Problem| {
            let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
            json!({"severity": severity, "path": problem.path, "message": problem.message})
        };
        json!({"ok": true, "action": action.word(), "who": self.who, "from": self.from, "revision": self.revision,
            "written": written && !self.unchanged, "unchanged": self.unchanged, "summary": self.summary,
            "check": self.check.iter().map(problem).collect::<Vec<_>>(),
            "diff": self.diff.iter().map(diff).collect::<Vec<_>>()})
    }
}
