//! Flags as readers give them → the experiments that they become, each sound by itself and with what it requires.

use super::context::Context;
use super::flag::Refusal;
use super::target::Target;
use super::{Read, build, written};
use crate::document::{Problem, Severity, check_text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What came of a flag.
pub(super) struct Outcome {
    pub(super) key: String,
    pub(super) path: String,
    pub(super) refusal: Option<Refusal>,
    pub(super) note: String,
    pub(super) experiments: Vec<written::Written>,
}

/// Builds the experiments of every flag; a flag whose prerequisite did not come over does not either.
pub(super) fn settle(read: Vec<Read>, context: &Context, document: &Target) -> Vec<Outcome> {
    let mut names = written::Names::new(document.ids());
    let mut flags: BTreeMap<String, usize> = BTreeMap::new();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(read.len());
    for (key, path, flag) in read {
        let built = if document.has_key(&key) {
            Err(Refusal::new(
                &path,
                "the document has an experiment of this key already",
                "remove it there to import it again",
            ))
        } else if flags.contains_key(&key) {
            Err(Refusal::new(
                &path,
                "an experiment and a feature have this key",
                "import one of them with --only, or rename one",
            ))
        } else {
            flag.and_then(|flag| Ok((build::build(&flag)?, flag)))
        };
        let mut outcome =
            Outcome { key: key.clone(), path, refusal: None, note: String::new(), experiments: Vec::new() };
        match built {
            Ok((pieces, flag)) => {
                outcome.note.clone_from(&flag.note);
                outcome.experiments = written::experiments(&flag, &pieces, &mut names);
            }
            Err(refusal) => outcome.refusal = Some(refusal),
        }
        flags.entry(key).or_insert(outcomes.len());
        outcomes.push(outcome);
    }
    require(&mut outcomes, &flags);
    sound(&mut outcomes, context);
    outcomes
}

/// Names the experiments and variants that others require.
fn require(outcomes: &mut [Outcome], flags: &BTreeMap<String, usize>) {
    loop {
        let mut refused = Vec::new();
        for (position, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.refusal.is_none()) {
            let needs = outcome.experiments.iter().flat_map(|experiment| &experiment.requires);
            for need in needs {
                let parent = flags.get(&need.flag).and_then(|at| outcomes.get(*at));
                let problem = match parent {
                    None => Some("is not in the payload, or not among those of --only"),
                    Some(parent) if parent.refusal.is_some() => Some("cannot come over"),
                    Some(parent)
                        if parent.experiments.iter().filter(|e| e.variant(&need.variant).is_some()).count() != 1 =>
                    {
                        Some("has rules that give that variant in more than one experiment, or in none")
                    }
                    Some(_) => None,
                };
                if let Some(problem) = problem {
                    refused.push((
                        position,
                        Refusal::new(
                            &need.path,
                            format!("its prerequisite `{}` {problem}", need.flag),
                            "bring the prerequisite over first, or end it in the old tool",
                        ),
                    ));
                    break;
                }
            }
        }
        if refused.is_empty() {
            break;
        }
        for (position, refusal) in refused {
            if let Some(outcome) = outcomes.get_mut(position) {
                outcome.refusal = Some(refusal);
            }
        }
    }
    let known: BTreeMap<(String, String), (String, String)> = outcomes
        .iter()
        .filter(|outcome| outcome.refusal.is_none())
        .flat_map(|outcome| {
            outcome.experiments.iter().flat_map(move |e| {
                e.variants.iter().map(move |(key, id)| ((outcome.key.clone(), key.clone()), (e.id.clone(), id.clone())))
            })
        })
        .collect();
    for experiment in outcomes.iter_mut().flat_map(|outcome| &mut outcome.experiments) {
        let required: Vec<Value> = experiment
            .requires
            .iter()
            .filter_map(|need| known.get(&(need.flag.clone(), need.variant.clone())))
            .map(|(id, variant)| json!({"experiment": id, "variant": variant}))
            .collect();
        if !required.is_empty() {
            experiment.value.insert("requires".to_owned(), Value::Array(required));
        }
    }
}

/// Refuses a flag of which the document's own checks refuse something, with what they say.
fn sound(outcomes: &mut [Outcome], context: &Context) {
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.refusal.is_none()) {
        let alone: Vec<Value> = outcome
            .experiments
            .iter()
            .map(|experiment| {
                let mut value = experiment.value.clone();
                // why: what it requires is checked with the whole
                value.remove("requires");
                Value::Object(value)
            })
            .collect();
        let document = json!({"version": 1, "project": "import", "experiments": alone});
        let checked = check_text(&document.to_string(), context.now);
        let problem = checked.problems.into_iter().find(|problem| problem.severity == Severity::Error);
        if let Some(Problem { path, message, .. }) = problem {
            let place = path.split_once('.').map_or(path.as_str(), |(_, field)| field);
            outcome.refusal = Some(Refusal::new(
                &outcome.path,
                format!("a document cannot hold it: {place}: {message}"),
                "change it in the old tool, or write it by hand",
            ));
        }
    }
}
