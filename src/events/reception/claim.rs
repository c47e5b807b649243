//! What drafts claim, held against the plan, and the events that follow whoever sent them.

use super::{Claim, Draft, Reported};
use crate::document::{Kind, Timestamp};
use crate::events::identity::identification_id;
use crate::events::{Event, What};
use crate::hash;
use crate::plan::{Experiment, ExperimentAt, Plan, VariantAt};

/// The experiments that drafts claim an exposure to, by their positions in the plan, in its order.
#[must_use]
pub fn claimed(drafts: &[Draft], plan: &Plan) -> Vec<ExperimentAt> {
    let mut claimed: Vec<ExperimentAt> = drafts
        .iter()
        .flat_map(|draft| match &draft.claim {
            Claim::Exposed(reported) => named(plan, &reported.experiment),
            _ => Vec::new(),
        })
        .collect();
    claimed.sort_unstable();
    claimed.dedup();
    claimed
}

/// A field, and what is wrong with it.
pub(super) type Wrong = (&'static str, String);

/// The experiment of an id; else those that have it as their name elsewhere: rules of one flag share one.
fn named(plan: &Plan, name: &str) -> Vec<ExperimentAt> {
    match plan.experiment(name) {
        Some(index) => vec![index],
        None => {
            let known = plan.experiments.positioned();
            known.filter(|(_, e)| e.key.as_deref() == Some(name)).map(|(index, _)| index).collect()
        }
    }
}

/// An experiment that may be exposed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed<'a> {
    /// Its position in the plan.
    pub(super) at: ExperimentAt,
    pub(super) e: &'a Experiment,
    /// The variant's position.
    pub(super) variant: VariantAt,
}

/// The experiments and variants that a report may mean: at least one. Several where they share their name elsewhere.
pub(super) fn known_variants<'a>(plan: &'a Plan, reported: &Reported) -> Result<Vec<Claimed<'a>>, Wrong> {
    let Reported { experiment, field, variant, iteration, .. } = reported;
    let shown = shown(experiment);
    let all: Vec<(ExperimentAt, &Experiment)> =
        named(plan, experiment).into_iter().filter_map(|index| Some((index, plan.experiments.get(index)?))).collect();
    if all.is_empty() {
        return Err((field, format!("there is no experiment `{shown}`")));
    }
    let all: Vec<_> = all.into_iter().filter(|(_, e)| e.shadow.is_none()).collect();
    if all.is_empty() {
        return Err((field, format!("`{shown}` is in shadow mode: it is compared, and exposes nobody")));
    }
    let all: Vec<_> = all.into_iter().filter(|(_, e)| e.kind == Kind::Experiment).collect();
    if all.is_empty() {
        return Err((field, format!("`{shown}` is no experiment: only experiments expose")));
    }
    let variant_of =
        |e: &Experiment| e.variant(variant).or_else(|| e.variants.find(|it| it.key.as_deref() == Some(variant)));
    let found: Vec<_> = all.iter().filter_map(|&(at, e)| Some(Claimed { at, e, variant: variant_of(e)? })).collect();
    if found.is_empty() {
        return Err(("variant", format!("`{shown}` has no variant `{}`", self::shown(variant))));
    }
    let current = |claimed: &&Claimed<'_>| iteration.is_none_or(|it| it == u64::from(claimed.e.iteration));
    let of_iteration: Vec<_> = found.iter().filter(current).copied().collect();
    match (of_iteration.is_empty(), found.first()) {
        (true, Some(first)) => Err(("iteration", format!("`{shown}` is in its iteration {}", first.e.iteration))),
        _ => Ok(of_iteration),
    }
}

/// What somebody sent, as it may stand in an answer.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The event of a draft that is no exposure.
pub(super) fn complete(draft: &Draft, plan: &Plan, now: i64, new_id: impl FnOnce() -> String) -> Result<Event, Wrong> {
    let project = &*plan.project;
    let nobody = draft.anonymous_id.is_none() && draft.user_id.is_none();
    let (id, what) = match &draft.claim {
        Claim::Exposed(_) => return Err(("type", "an exposure needs its experiment".to_owned())),
        Claim::Converted(conversion) => {
            if nobody && conversion.refund_of.is_none() {
                return Err(("anonymous_id", "it is missing: name anonymous_id or user_id".to_owned()));
            }
            let id = match (&conversion.transaction_id, &draft.id) {
                (Some(transaction), _) => conversion_id(project, &conversion.conversion_event, transaction),
                (None, Some(id)) => id.clone(),
                (None, None) => new_id(),
            };
            (id, What::Converted((**conversion).clone()))
        }
        Claim::Ended(ended) => {
            let parts =
                ["ended", project, &ended.experiment_id, ended.variant.as_deref().unwrap_or(""), &ended.ended_at];
            (hash::event_id(&parts), What::EndedEarly(ended.clone()))
        }
        Claim::Identified => {
            let visitor = draft.anonymous_id.as_deref();
            let visitor = visitor.ok_or_else(|| ("anonymous_id", "it is missing".to_owned()))?;
            let user = draft.user_id.as_deref().ok_or_else(|| ("user_id", "it is missing".to_owned()))?;
            (identification_id(project, visitor, user), What::Identified)
        }
    };
    Ok(Event {
        id,
        project: project.to_owned(),
        config_revision: plan.revision.to_string(),
        at: Timestamp::from_millis(now).to_string(),
        anonymous_id: draft.anonymous_id.clone(),
        user_id: draft.user_id.clone(),
        what,
    })
}

/// The id of an outcome of a transaction: it counts once, whoever reports it.
#[must_use]
pub fn conversion_id(project: &str, conversion_event: &str, transaction: &str) -> String {
    hash::event_id(&["conversion", project, conversion_event, transaction])
}
