//! What drafts claim, held against the plan, and the events that follow whoever sent them.

use super::{Claim, Draft};
use crate::document::{Kind, Timestamp};
use crate::events::identity::identification_id;
use crate::events::{Event, What};
use crate::hash;
use crate::plan::{Experiment, Plan};

/// The experiments that drafts claim an exposure to, by their positions in the plan, in its order.
#[must_use]
pub fn claimed(drafts: &[Draft], plan: &Plan) -> Vec<usize> {
    let mut claimed: Vec<usize> = drafts
        .iter()
        .filter_map(|draft| match &draft.claim {
            Claim::Exposed { experiment, .. } => plan.experiment(experiment),
            _ => None,
        })
        .collect();
    claimed.sort_unstable();
    claimed.dedup();
    claimed
}

/// A field, and what is wrong with it.
pub(super) type Wrong = (&'static str, String);

/// An experiment that may be exposed to, its position, and a variant of it.
pub(super) fn known_variant<'a>(
    plan: &'a Plan,
    experiment: &str,
    variant: &str,
    iteration: Option<u64>,
) -> Result<(usize, &'a Experiment, usize), Wrong> {
    let unknown = || ("experiment_id", format!("there is no experiment `{experiment}`"));
    let index = plan.experiment(experiment).ok_or_else(unknown)?;
    let e = plan.experiments.get(index).ok_or_else(unknown)?;
    if e.kind != Kind::Experiment {
        return Err(("experiment_id", format!("`{experiment}` is no experiment: only experiments expose")));
    }
    let variant =
        e.variant(variant).ok_or_else(|| ("variant", format!("`{experiment}` has no variant `{variant}`")))?;
    if iteration.is_some_and(|iteration| iteration != u64::from(e.iteration)) {
        return Err(("iteration", format!("`{experiment}` is in its iteration {}", e.iteration)));
    }
    Ok((index, e, variant))
}

/// The event of a draft that is no exposure.
pub(super) fn complete(draft: &Draft, plan: &Plan, now: i64, new_id: impl FnOnce() -> String) -> Result<Event, Wrong> {
    let project = &*plan.project;
    let nobody = draft.anonymous_id.is_none() && draft.user_id.is_none();
    let (id, what) = match &draft.claim {
        Claim::Exposed { .. } => return Err(("type", "an exposure needs its experiment".to_owned())),
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
