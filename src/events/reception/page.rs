//! What a page claims: about its own visitor, and about nobody else.

use super::claim::{Wrong, complete, known_variant};
use super::{Claim, Draft};
use crate::decide::Reason;
use crate::document::UnitKind;
use crate::events::exposure::{Met, exposure};
use crate::events::{Event, PageView, Problem, What};
use crate::execution::Intent;
use crate::hash;
use crate::plan::Plan;
use crate::visitor::Viewer;

/// What the worker knows about a page that sends events.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What would be decided for the visitor now, for the experiments that [`claimed`] names.
    pub intent: &'a Intent,
    /// The page view.
    pub view: &'a PageView,
    /// The user who is logged in, by the cookie or header that the document names for it.
    pub user: Option<&'a str>,
}

/// The events of a page's drafts. `entropy` gives 16 random bytes.
///
/// # Errors
///
/// Claims that this visitor cannot make, each with its field.
pub fn from_page(
    drafts: Vec<Draft>,
    plan: &Plan,
    page: Page<'_>,
    mut entropy: impl FnMut() -> [u8; 16],
) -> Result<Vec<Event>, Vec<Problem>> {
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    let Some(visitor) = page.intent.visitor() else { return Ok(events) };
    let proves_users = plan.visitor.user_cookie.is_some() || plan.visitor.user_header.is_some();
    for mut draft in drafts {
        let path = format!("events[{}]", draft.position);
        if proves_users {
            if draft.user_id.is_some() && draft.user_id.as_deref() != page.user {
                let message = "this visitor is not logged in as that user";
                problems.push(Problem::new(format!("{path}.user_id"), message));
                continue;
            }
            draft.user_id = page.user.map(str::to_owned);
        }
        draft.anonymous_id = Some(visitor.id.to_string());
        let event = match &draft.claim {
            Claim::Exposed { experiment, variant, iteration, versions } => {
                page_exposure(plan, page, experiment, variant, *iteration).map(|mut event| {
                    if let What::Exposed(exposure) = &mut event.what {
                        exposure.versions.clone_from(versions);
                    }
                    event
                })
            }
            _ => complete(&draft, plan, page.intent.now, || hash::hex(&entropy())),
        };
        match event {
            Ok(event) => events.push(event),
            Err((field, message)) => problems.push(Problem::new(format!("{path}.{field}"), message)),
        }
    }
    if problems.is_empty() { Ok(events) } else { Err(problems) }
}

fn page_exposure(
    plan: &Plan,
    page: Page<'_>,
    experiment: &str,
    variant: &str,
    iteration: Option<u64>,
) -> Result<Event, Wrong> {
    let (index, e, variant) = known_variant(plan, experiment, variant, iteration)?;
    let refused = || ("variant", format!("this visitor is not in that variant of `{experiment}`"));
    let position = page.intent.decisions.iter().position(|decision| decision.experiment == index);
    let position = position.ok_or_else(refused)?;
    let decision = page.intent.decisions.get(position).ok_or_else(refused)?;
    let assigned = matches!(decision.reason, Reason::Split | Reason::Sticky);
    // why: an audience may ask for the page, and this request is for another one; what the visitor was given stands in
    // their cookie
    let visitor = page.intent.visitor().ok_or_else(refused)?;
    let kept = decision.reason == Reason::Audience
        && e.unit == UnitKind::Visitor
        && Viewer::default()
            .kept(plan, index, &visitor.assignments, page.intent.now)
            .is_some_and(|kept| kept.variant == Some(variant));
    if !(kept || assigned && decision.variant == Some(variant)) {
        return Err(refused());
    }
    let session_is_known = visitor.session.as_ref().is_some_and(|(_, brought)| *brought);
    if decision.evidence.unit == Some(UnitKind::Session) && !session_is_known {
        return Err(refused());
    }
    if kept {
        let met = Met {
            e,
            variant: e.variants.get(variant).ok_or_else(refused)?,
            unit: UnitKind::Visitor,
            unit_id: visitor.id.as_str(),
            reason: Reason::Sticky.as_str(),
            anonymous_id: Some(visitor.id.as_str()),
            user_id: visitor.user.as_deref(),
            at: page.intent.now,
        };
        return Ok(met.event(plan, page.view));
    }
    exposure(page.intent, plan, position, page.view).ok_or_else(refused)
}
