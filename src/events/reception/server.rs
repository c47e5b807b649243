//! What a server claims: about anybody, under its signature.

use super::claim::{Wrong, complete, known_variant};
use super::{Claim, Draft};
use crate::decide::Reason;
use crate::document::UnitKind;
use crate::events::exposure::Met;
use crate::events::{Event, PageView, Problem, What};
use crate::hash;
use crate::plan::Plan;

/// The events of a server's drafts. `tag` is the signature's, `now` in milliseconds since 1970.
///
/// Ids that nobody gave follow from the signature, so that the same request sent twice changes nothing.
///
/// # Errors
///
/// Events that name nobody, or experiments and variants that do not exist, each with its field.
pub fn from_server(drafts: &[Draft], plan: &Plan, tag: &[u8; 32], now: i64) -> Result<Vec<Event>, Vec<Problem>> {
    let tag = hash::hex(tag);
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    for draft in drafts {
        let position = draft.position.to_string();
        let event = match &draft.claim {
            Claim::Exposed { experiment, variant, iteration, versions } => {
                server_exposure(draft, plan, experiment, variant, *iteration, now).map(|mut event| {
                    if let What::Exposed(exposure) = &mut event.what {
                        exposure.versions.clone_from(versions);
                    }
                    event
                })
            }
            _ => {
                complete(draft, plan, now, || hash::event_id(&["conversion", &plan.project, "signed", &tag, &position]))
            }
        };
        match event {
            Ok(event) => events.push(event),
            Err((field, message)) => problems.push(Problem::new(format!("events[{position}].{field}"), message)),
        }
    }
    if problems.is_empty() { Ok(events) } else { Err(problems) }
}

fn server_exposure(
    draft: &Draft,
    plan: &Plan,
    experiment: &str,
    variant: &str,
    iteration: Option<u64>,
    now: i64,
) -> Result<Event, Wrong> {
    let (_, e, variant) = known_variant(plan, experiment, variant, iteration)?;
    let (visitor, user) = (draft.anonymous_id.as_deref(), draft.user_id.as_deref());
    let known = |kind: UnitKind| match kind {
        UnitKind::Visitor => visitor.map(|id| (kind, id)),
        UnitKind::User => user.map(|id| (kind, id)),
        UnitKind::Session => None,
    };
    let (unit, unit_id) = known(e.unit)
        .or_else(|| e.else_unit.and_then(known))
        .ok_or_else(|| ("anonymous_id", format!("it does not name a unit of `{experiment}`")))?;
    let met = Met {
        e,
        variant: e.variants.get(variant).ok_or_else(|| ("variant", "it does not exist".to_owned()))?,
        unit,
        unit_id,
        reason: Reason::Split.as_str(),
        anonymous_id: visitor,
        user_id: user,
        at: now,
    };
    Ok(met.event(plan, &PageView::default()))
}
