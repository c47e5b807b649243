//! Whether the patches of `env` make valid experiments.

use super::meaning::meaning;
use super::structure::{Walked, walk};
use crate::document::{Problem, Severity, Timestamp, merge_env};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Fields that a patch cannot have: an experiment is the same one in every environment.
const FIXED: [&str; 2] = ["id", "env"];

/// Merges each environment into the document, whose own problems are known, and reports what its patches add: errors
/// alone, at the patch's field where it has one.
pub(super) fn check(
    document: &Value,
    walked: &Walked,
    schema: &Value,
    known: &[Problem],
    now: Timestamp,
) -> Vec<Problem> {
    let experiments = document.get("experiments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for (place, experiment) in experiments.iter().enumerate() {
        for (name, patch) in experiment.get("env").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("experiments[{place}].env.{name}");
            match patch.as_object() {
                Some(patch) => {
                    names.insert(name.as_str());
                    for field in FIXED.iter().filter(|field| patch.contains_key(**field)) {
                        problems.push(Problem::error(
                            format!("{at}.{field}"),
                            "an experiment has it in common with every environment: remove it",
                        ));
                    }
                }
                None => problems.push(Problem::error(at, "this is no object: write {\"traffic\": 100} or the like")),
            }
        }
    }
    for name in names {
        let mut merged = merge_env(without_fixed(document.clone(), name), name);
        let changed = walk(&mut merged, schema);
        let gaps = changed.gaps.with(&walked.gaps);
        let meant =
            meaning(&merged, &changed, &gaps, now).into_iter().filter(|problem| problem.severity == Severity::Error);
        for problem in changed.problems.iter().cloned().chain(meant) {
            let patched = patched_path(experiments, name, &problem.path);
            let original = walked.original(&problem.path);
            if let Some(path) = patched {
                if !known.iter().any(|old| old.path == original && old.message == problem.message) {
                    problems.push(Problem { path, ..problem });
                }
            } else if !known.iter().any(|old| old.path == original) && !walked.is_doubtful(&original) {
                problems.push(Problem::error(original, format!("with the environment {name:?}: {}", problem.message)));
            }
        }
    }
    problems
}

/// The document without what a patch must not have.
fn without_fixed(mut document: Value, name: &str) -> Value {
    let experiments = document.get_mut("experiments").and_then(Value::as_array_mut);
    for experiment in experiments.into_iter().flatten() {
        if let Some(patch) = experiment.pointer_mut("/env").and_then(|env| env.get_mut(name)) {
            patch
                .as_object_mut()
                .into_iter()
                .for_each(|patch| patch.retain(|field, _| !FIXED.contains(&field.as_str())));
        }
    }
    document
}

/// The path inside of the patch, where the patch has the field.
fn patched_path(experiments: &[Value], name: &str, path: &str) -> Option<String> {
    let (index, rest) = path.strip_prefix("experiments[")?.split_once(']')?;
    let field = rest.strip_prefix('.')?.split(['.', '[']).next()?;
    let patch: &Map<String, Value> =
        experiments.get(index.parse::<usize>().ok()?)?.get("env")?.get(name)?.as_object()?;
    patch.contains_key(field).then(|| format!("experiments[{index}].env.{name}{rest}"))
}
