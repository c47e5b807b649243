//! Which experiments are asked for, and their decisions.

use super::context::{CallContext, Units};
use crate::condition::{Attributes, FactKey};
use crate::decide::{Asker, Decision, Evidence, Reason, decide};
use crate::facts::Person;
use crate::plan::{Experiment, ExperimentAt, Plan};
use crate::suggestion::suggest;
use crate::url::Url;
use crate::visitor::assignments::Assignments;
use serde_json::{Map, Value};

/// What is asked for: experiments by name and tag; with neither all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Keys or ids.
    pub names: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// A name or tag that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The field: `names[0]`.
    pub path: String,
    /// What is wrong, with the nearest one.
    pub message: String,
}

/// The experiments that are asked for, by position, in the document's order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked(pub Vec<ExperimentAt>);

impl Ask {
    /// Finds the experiments. Several may share a key, of which at most one assigns a unit.
    ///
    /// # Errors
    ///
    /// A name or tag that nobody has.
    pub fn find(&self, plan: &Plan) -> Result<Asked, Unknown> {
        let mut found: Vec<ExperimentAt> = Vec::new();
        if self.names.is_empty() && self.tags.is_empty() {
            return Ok(Asked(plan.experiments.positions().collect()));
        }
        for (place, name) in self.names.iter().enumerate() {
            let of_name = by_name(plan, name);
            if of_name.is_empty() {
                let known = plan.experiments.iter().flat_map(|e| [Some(&*e.id), e.key.as_deref()]).flatten();
                return Err(unknown(format!("names[{place}]"), "experiment", name, known));
            }
            found.extend(of_name);
        }
        for (place, tag) in self.tags.iter().enumerate() {
            let before = found.len();
            let has = |e: &Experiment| e.tags.iter().any(|one| **one == **tag);
            found.extend(plan.experiments.positioned().filter(|(_, e)| has(e)).map(|(position, _)| position));
            if found.len() == before {
                let known = plan.experiments.iter().flat_map(|e| e.tags.iter().map(|tag| &**tag));
                return Err(unknown(format!("tags[{place}]"), "tag", tag, known));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Asked(found))
    }
}

/// The experiments of a key, or else the one of an id.
pub(super) fn by_name(plan: &Plan, name: &str) -> Vec<ExperimentAt> {
    let of_key = |e: &Experiment| e.key.as_deref() == Some(name);
    let keyed: Vec<ExperimentAt> =
        plan.experiments.positioned().filter(|(_, e)| of_key(e)).map(|(position, _)| position).collect();
    if keyed.is_empty() { plan.experiment(name).into_iter().collect() } else { keyed }
}

fn unknown<'a>(path: String, what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Unknown {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let advice = match suggest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "see the document for the names".to_owned(),
    };
    Unknown { path, message: format!("there is no {what} `{shown}`: {advice}") }
}

/// Decides for the experiments that are asked for, in their order. Pages and hosts are asked only where the call names a
/// `url`; methods never, for the call's own says nothing.
///
/// Of experiments that share a conflict key only one acts, as on pages: whoever asks for one of them alone gets the
/// answer that asking for all would give.
pub fn decide_call(
    plan: &Plan,
    asked: &Asked,
    url: Option<Url<'_>>,
    facts: &impl Attributes<FactKey>,
    asker: Asker<'_>,
    now: i64,
) -> Vec<Decision> {
    let has_conflicts =
        |position: &ExperimentAt| plan.experiments.get(*position).is_some_and(|e| !e.conflicts.is_empty());
    let mut set: Vec<ExperimentAt> = asked.0.clone();
    if set.iter().any(has_conflicts) {
        set.extend(plan.experiments.positions().filter(has_conflicts));
        set.sort_unstable();
        set.dedup();
    }
    if let Some(url) = url {
        set.retain(|&position| plan.experiments.get(position).is_some_and(|e| e.scope.has_page(&url)));
    }
    let decided = decide(plan, &set, facts, asker, now);
    let absent = |&position: &ExperimentAt| Decision {
        experiment: position,
        reason: Reason::Page,
        variant: None,
        evidence: Evidence::default(),
    };
    let of = |position: &ExperimentAt| decided.iter().find(|one| one.experiment == *position).copied();
    if decided.len() == asked.0.len() && decided.iter().zip(&asked.0).all(|(one, position)| one.experiment == *position)
    {
        return decided;
    }
    asked.0.iter().map(|position| of(position).unwrap_or_else(|| absent(position))).collect()
}

/// What a server that asks for somebody is told: what it says is believed, and `assignments` is what else is known of the
/// person.
#[must_use]
pub fn decide_for_server(
    plan: &Plan,
    asked: &Asked,
    (units, attributes): (&Units, &Map<String, Value>),
    url: Option<&str>,
    assignments: &Assignments,
    now: i64,
) -> Vec<Decision> {
    let url = url.map(Url::split);
    let facts = CallContext { units, url, attributes };
    let person = Person {
        visitor: units.visitor.as_deref().unwrap_or_default(),
        user: units.user.as_deref(),
        session: units.session.as_deref(),
        // why: what a server knows of it is among its facts
        returning: false,
        assignments,
        preview: &[],
    };
    decide_call(plan, asked, url, &facts, Asker::Person(person), now)
}
