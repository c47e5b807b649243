//! Conditions: of named audiences, of experiments and of overrides.

use crate::condition::{Condition, FactKey, Groups};
use crate::document::{Audience, Document, Problem};
use crate::suggestion::suggest;
use serde_json::Value;

/// The document's groups, as conditions ask for them.
pub(super) fn groups(document: &Document) -> Groups {
    let mut groups = Groups::default();
    for (name, members) in &document.groups {
        groups.insert(name, members);
    }
    groups
}

#[inline(never)]
pub(super) fn check(document: &Document, problems: &mut Vec<Problem>) {
    for (name, members) in &document.groups {
        for (index, member) in members.iter().enumerate() {
            if matches!(member, Value::Array(_) | Value::Object(_)) {
                problems.push(Problem::error(
                    format!("groups.{name}[{index}]"),
                    "a list or object is equal to nothing: use texts, numbers, true, false or null",
                ));
            }
        }
    }
    let groups = groups(document);
    for (id, audience) in &document.audiences {
        condition(audience, &groups, &format!("audiences.{id}"), problems);
    }
    for (place, experiment) in document.experiments.iter().enumerate() {
        if let Some(audience) = &experiment.audience {
            one(document, audience, &groups, || format!("experiments[{place}].audience"), problems);
        }
        for (n, forced) in experiment.overrides.iter().enumerate() {
            let at = || format!("experiments[{place}].overrides[{n}].audience");
            one(document, &forced.audience, &groups, at, problems);
        }
    }
}

fn one(
    document: &Document,
    audience: &Audience,
    groups: &Groups,
    at: impl Fn() -> String,
    problems: &mut Vec<Problem>,
) {
    match audience {
        Audience::Named(id) if document.audiences.contains_key(id) => {}
        Audience::Named(id) => {
            let advice = match suggest(id.as_str(), document.audiences.keys().map(|known| known.as_str())) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "add it to `audiences`, or write the condition here".to_owned(),
            };
            problems.push(Problem::error(at(), format!("there is no audience {:?}: {advice}", id.as_str())));
        }
        Audience::Condition(members) => condition(&Value::Object(members.clone()), groups, &at(), problems),
    }
}

#[inline(never)]
fn condition(value: &Value, groups: &Groups, at: &str, problems: &mut Vec<Problem>) {
    if let Err(inner) = Condition::<FactKey>::parse(value, groups, FactKey::parse) {
        for problem in inner {
            let dot = if problem.path.is_empty() || problem.path.starts_with('[') { "" } else { "." };
            problems.push(Problem::error(format!("{at}{dot}{}", problem.path), problem.message));
        }
    }
}
