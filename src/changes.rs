//! What changed between two documents, in words, and which of it is dangerous.

use crate::document::{Document, Experiment, Status, Timestamp};
use serde_json::Value;
use std::fmt;

/// A kind of change that gives visitors of a running experiment another variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(clap::ValueEnum))]
pub enum Danger {
    /// The text before every salt.
    Salt,
    /// An experiment starts over.
    Iteration,
    /// Variants were removed or stand in another order.
    Variants,
    /// Shares change, and nobody keeps a variant.
    Weights,
    /// Another variant is the control.
    Control,
    /// Another kind of unit is assigned.
    Unit,
    /// Another part of the layer.
    Layer,
    /// Another hash, or other buckets of another tool's.
    Hash,
    /// A running experiment is gone.
    Remove,
    /// A running experiment's variant shows something else.
    Treatment,
    /// Another project's document.
    Project,
    /// Less than half of what was live is left.
    Shrink,
}

impl fmt::Display for Danger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Salt => "salt",
            Self::Iteration => "iteration",
            Self::Variants => "variants",
            Self::Weights => "weights",
            Self::Control => "control",
            Self::Unit => "unit",
            Self::Layer => "layer",
            Self::Hash => "hash",
            Self::Remove => "remove",
            Self::Treatment => "treatment",
            Self::Project => "project",
            Self::Shrink => "shrink",
        })
    }
}

impl Danger {
    /// What comes of it.
    #[must_use]
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Salt => "every visitor without an assignment is split anew, in all experiments",
            Self::Iteration => "everybody is split anew and the data starts over",
            Self::Variants => "visitors change variant, and the groups are no longer comparable",
            Self::Weights => "without `sticky` visitors change variant",
            Self::Control => "results are compared with another variant than before",
            Self::Unit => "everybody is assigned by another id",
            Self::Layer => "visitors leave the experiment, and others come in",
            Self::Hash => "visitors change variant, leave the experiment or come in",
            Self::Remove => "its visitors get the origin's page, and nothing more is recorded of it",
            Self::Treatment => "the data mixes what was shown before with what is shown from now on",
            Self::Project => {
                "everything live is another shop's, its events bear another name, and visitors are split anew"
            }
            Self::Shrink => "this may be a part of the document, or another one",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where, in the new document where it still is.
    pub path: String,
    /// The experiment that it belongs to.
    pub experiment: Option<String>,
    /// What, in words.
    pub words: String,
    /// Why it is dangerous.
    pub danger: Option<Danger>,
}

/// Every change, those of the whole document first.
#[must_use]
pub fn changes(old: &Document, new: &Document, now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    whole(old, new, now, &mut changes);
    let anybody = old.experiments.iter().any(is_assigning);
    let salt = |document: &Document| document.salt.clone().unwrap_or_else(|| document.project.clone());
    // why: where the project is the salt, that another project splits anew is said of the project
    let follows = old.salt.is_none() && new.salt.is_none();
    if salt(old) != salt(new) && !follows {
        changes.push(Change {
            path: "salt".to_owned(),
            experiment: None,
            words: format!("{:?} → {:?}", salt(old), salt(new)),
            danger: anybody.then_some(Danger::Salt),
        });
    }
    let (before, after) = (fields(old), fields(new));
    for (name, was) in &before {
        if !matches!(name.as_str(), "experiments" | "salt" | "project" | "revision" | "$schema") {
            values(name, was, after.get(name).unwrap_or(&Value::Null), None, &mut changes);
        }
    }
    for (place, e) in old.experiments.iter().enumerate() {
        if !new.experiments.iter().any(|other| other.id == e.id) {
            let running = if e.status == Status::Running { "it was running" } else { "it was not running" };
            let mut change = plain(format!("experiments[{place}]"), e, format!("`{}` is removed; {running}", e.id));
            change.danger = is_running(e, now).then_some(Danger::Remove);
            changes.push(change);
        }
    }
    let order = |document: &Document, other: &Document| -> Vec<String> {
        let shared = document.experiments.iter().filter(|e| other.experiments.iter().any(|o| o.id == e.id));
        shared.map(|e| e.id.to_string()).collect()
    };
    if order(old, new) != order(new, old) {
        changes.push(Change {
            path: "experiments".to_owned(),
            experiment: None,
            words: "stand in another order: of equal priority the first wins a conflict".to_owned(),
            danger: None,
        });
    }
    for (place, e) in new.experiments.iter().enumerate() {
        let path = format!("experiments[{place}]");
        match old.experiments.iter().find(|other| other.id == e.id) {
            None => changes.push(plain(path, e, format!("`{}` is new, {}", e.id, status(e)))),
            Some(before) => experiment(&path, before, e, now, &mut changes),
        }
    }
    changes
}

/// Which experiments changes are about; none where one of them is about the whole document.
#[must_use]
pub fn experiments_of(changes: &[Change]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for change in changes {
        match &change.experiment {
            None => return Vec::new(),
            Some(id) if !ids.contains(id) => ids.push(id.clone()),
            Some(_) => {}
        }
    }
    ids
}

/// What is wrong with the document as a whole: that it is another one, or a part of it.
fn whole(old: &Document, new: &Document, now: Timestamp, changes: &mut Vec<Change>) {
    let mut report = |path: &str, words: String, danger| {
        changes.push(Change { path: path.to_owned(), experiment: None, words, danger });
    };
    if old.project != new.project {
        let danger = (!old.experiments.is_empty()).then_some(Danger::Project);
        report("project", format!("{:?} → {:?}", old.project, new.project), danger);
    }
    let live: Vec<&Experiment> = old.experiments.iter().filter(|e| is_assigning(e) && !is_over(e, now)).collect();
    let left = live.iter().filter(|e| new.experiments.iter().any(|other| other.id == e.id)).count();
    // why: of one experiment that is gone, `remove` says so already
    if live.len() > 1 && left * 2 < live.len() {
        report("experiments", format!("{left} of {} live experiments are left", live.len()), Some(Danger::Shrink));
    }
}

fn is_over(e: &Experiment, now: Timestamp) -> bool {
    e.ends_at.is_some_and(|end| end <= now)
}

/// Whether visitors see it now.
fn is_running(e: &Experiment, now: Timestamp) -> bool {
    e.status == Status::Running && !is_over(e, now)
}

/// Whether somebody may have an assignment of it.
fn is_assigning(e: &Experiment) -> bool {
    matches!(e.status, Status::Running | Status::Paused)
}

fn status(e: &Experiment) -> String {
    serde_json::to_value(e.status).ok().and_then(|status| Some(status.as_str()?.to_owned())).unwrap_or_default()
}

fn plain(path: String, e: &Experiment, words: String) -> Change {
    Change { path, experiment: Some(e.id.to_string()), words, danger: None }
}

fn experiment(path: &str, old: &Experiment, new: &Experiment, now: Timestamp, changes: &mut Vec<Change>) {
    let assigning = is_assigning(old) && new.status != Status::Completed;
    let starts_over = new.iteration != old.iteration;
    let mut dangerous = |field: &str, words: String, danger: Danger| {
        changes.push(Change {
            path: format!("{path}.{field}"),
            experiment: Some(new.id.to_string()),
            words,
            // why: a new iteration is a new experiment; that it starts over is the one thing to confirm
            danger: (assigning && (!starts_over || danger == Danger::Iteration)).then_some(danger),
        });
    };
    if starts_over {
        dangerous("iteration", format!("{} → {}", old.iteration, new.iteration), Danger::Iteration);
    }
    let ids = |e: &Experiment| -> Vec<String> { e.variants.iter().map(|variant| variant.id.to_string()).collect() };
    let (was, is) = (ids(old), ids(new));
    let removed: Vec<&str> = was.iter().filter(|id| !is.contains(id)).map(String::as_str).collect();
    if !removed.is_empty() {
        dangerous(
            "variants",
            format!("without {}, its visitors are split again", removed.join(", ")),
            Danger::Variants,
        );
    }
    let kept: Vec<&String> = was.iter().filter(|id| is.contains(id)).collect();
    let still: Vec<&String> = is.iter().filter(|id| was.contains(id)).collect();
    if kept != still {
        dangerous("variants", format!("in another order: {} → {}", was.join(", "), is.join(", ")), Danger::Variants);
    }
    if was.first() != is.first() {
        let name = |list: &[String]| list.first().cloned().unwrap_or_default();
        dangerous("variants[0]", format!("the control was {}, now {}", name(&was), name(&is)), Danger::Control);
    }
    let (before, after) = (shares(old), shares(new));
    if before != after && removed.is_empty() {
        let words = format!("shares {before} → {after}");
        if old.is_sticky() && new.is_sticky() {
            let words =
                format!("{words}: who has a variant keeps it, so raise `iteration` for groups that can be compared");
            changes.push(plain(format!("{path}.variants"), new, words));
        } else {
            dangerous("variants", words, Danger::Weights);
        }
    }
    let mut dangerous = |field: &str, words: String, danger: Danger| {
        let danger = (assigning && !starts_over).then_some(danger);
        changes.push(Change { path: format!("{path}.{field}"), experiment: Some(new.id.to_string()), words, danger });
    };
    if old.unit != new.unit {
        dangerous("unit", format!("{} → {}", word(&old.unit), word(&new.unit)), Danger::Unit);
    }
    if old.hash != new.hash {
        dangerous("hash", format!("{} → {}, a reshuffle", word(&old.hash), word(&new.hash)), Danger::Hash);
    }
    if old.layer != new.layer || (old.slots != new.slots && !grows(old, new)) {
        let told = |e: &Experiment| match (&e.layer, e.slots) {
            (Some(layer), Some(slots)) => format!("{layer} [{}, {})", slots.bounds().0, slots.bounds().1),
            _ => "no layer".to_owned(),
        };
        dangerous("layer", format!("{} → {}", told(old), told(new)), Danger::Layer);
    }
    rest(path, old, new, is_running(old, now) && assigning && !starts_over, changes);
}

/// Whether the new slots hold all of the old: then units only come in.
fn grows(old: &Experiment, new: &Experiment) -> bool {
    match (old.slots, new.slots) {
        (Some(old), Some(new)) => new.bounds().0 <= old.bounds().0 && old.bounds().1 <= new.bounds().1,
        _ => false,
    }
}

/// Everything else, field by field; `shown`: what a variant shows is being measured.
fn rest(path: &str, old: &Experiment, new: &Experiment, shown: bool, changes: &mut Vec<Change>) {
    let (was, is) = (fields(old), fields(new));
    for (name, before) in &was {
        let after = is.get(name).unwrap_or(&Value::Null);
        let done = matches!(name.as_str(), "iteration" | "unit" | "layer" | "hash")
            || (name == "slots" && !grows(old, new))
            || name == "variants";
        if !done {
            values(&format!("{path}.{name}"), before, after, Some(new.id.as_str()), changes);
        }
    }
    for (place, variant) in new.variants.iter().enumerate() {
        let path = format!("{path}.variants[{place}]");
        let Some(before) = old.variants.iter().find(|other| other.id == variant.id) else {
            changes.push(plain(path, new, format!("`{}` is new", variant.id)));
            continue;
        };
        let (was, is) = (fields(before), fields(variant));
        // why: a field that is absent is not written, so what only the new one has counts as well
        let added = is.iter().filter(|(name, _)| !was.contains_key(*name)).map(|(name, _)| (name, &Value::Null));
        for (name, before) in was.iter().chain(added).filter(|(name, _)| *name != "weight") {
            let known = changes.len();
            let after = is.get(name).unwrap_or(&Value::Null);
            values(&format!("{path}.{name}"), before, after, Some(new.id.as_str()), changes);
            let shows = shown && !matches!(name.as_str(), "id" | "key" | "name" | "description");
            for change in changes.iter_mut().skip(known).filter(|_| shows) {
                change.danger = Some(Danger::Treatment);
            }
        }
    }
}

fn shares(e: &Experiment) -> String {
    let sum: f64 = e.variants.iter().map(|variant| variant.weight.get()).sum();
    let share = |weight: f64| format!("{:.2}", weight / sum * 100.0);
    let all: Vec<String> = e
        .variants
        .iter()
        .map(|variant| {
            let share = share(variant.weight.get());
            let share = share.strip_suffix(".00").unwrap_or(&share);
            format!("{} {share} %", variant.id)
        })
        .collect();
    all.join(", ")
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).map(|value| brief(&value)).unwrap_or_default()
}

fn fields(value: &impl serde::Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

/// The differences of two values: objects field by field, all else whole.
fn values(path: &str, old: &Value, new: &Value, experiment: Option<&str>, changes: &mut Vec<Change>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(was), Value::Object(is)) => {
            for (name, before) in was {
                values(&format!("{path}.{name}"), before, is.get(name).unwrap_or(&Value::Null), experiment, changes);
            }
            for (name, after) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                values(&format!("{path}.{name}"), &Value::Null, after, experiment, changes);
            }
        }
        _ => changes.push(Change {
            path: path.to_owned(),
            experiment: experiment.map(str::to_owned),
            words: format!("{} → {}", brief(old), brief(new)),
            danger: None,
        }),
    }
}

/// A value in few words.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::String(text) if !text.is_empty() => text.clone(),
        // why: `25 → 50` rather than `25.0 → 50.0`
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
