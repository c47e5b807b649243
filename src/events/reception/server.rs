//! What a server claims: about anybody, under its signature.

use super::claim::{Claimed, Wrong, complete, known_variants};
use super::{Claim, Draft, Reported};
use crate::document::UnitKind;
use crate::events::exposure::Met;
use crate::events::{Event, Problem};
use crate::hash;
use crate::plan::Plan;
use crate::visitor::{VisitorId, no_visitor_id, reported};
use std::borrow::Cow;

/// The events of a server's drafts. `tag` is the signature's, `secret` what the document's visitor ids are signed with, `now`
/// in milliseconds since 1970.
///
/// Ids that nobody gave follow from the signature, so that the same request sent twice changes nothing.
///
/// # Errors
///
/// Events that name nobody, or experiments and variants that do not exist, each with its field.
pub fn from_server(
    drafts: &[Draft],
    plan: &Plan,
    tag: &[u8; 32],
    secret: Option<&[u8]>,
    now: i64,
) -> Result<Vec<Event>, Vec<Problem>> {
    let tag = hash::hex(tag);
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    for draft in drafts {
        let position = draft.position.to_string();
        let mut draft = Cow::Borrowed(draft);
        if let Some(id) = draft.anonymous_id.as_deref() {
            let Some(visitor) = reported(&plan.visitor, id, secret) else {
                let field = format!("events[{position}].anonymous_id");
                let message = match VisitorId::has_tag(id) && plan.visitor.signed {
                    true => "its tag is not this id's: send it as the cookie has it, or the id alone",
                    false => no_visitor_id(&plan.visitor),
                };
                problems.push(Problem::new(field, message));
                continue;
            };
            if visitor.as_str() != id {
                draft.to_mut().anonymous_id = Some(visitor.to_string());
            }
        }
        let draft = &*draft;
        let event = match &draft.claim {
            Claim::Exposed(reported) => server_exposure(draft, plan, reported, now),
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

fn server_exposure(draft: &Draft, plan: &Plan, reported: &Reported, now: i64) -> Result<Event, Wrong> {
    let candidates = known_variants(plan, reported)?;
    let [Claimed { e, variant, .. }] = candidates.as_slice() else {
        let ids: Vec<&str> = candidates.iter().map(|claimed| &*claimed.e.id).collect();
        return Err((reported.field, format!("several experiments are called so: name one of {}", ids.join(", "))));
    };
    let (visitor, user) = (draft.anonymous_id.as_deref(), draft.user_id.as_deref());
    let known = |kind: UnitKind| match kind {
        UnitKind::Visitor => visitor.map(|id| (kind, id)),
        UnitKind::User => user.map(|id| (kind, id)),
        UnitKind::Session => reported.session_id.as_deref().map(|id| (kind, id)),
    };
    let (unit, unit_id) = known(e.unit)
        .or_else(|| e.else_unit.and_then(known))
        .ok_or_else(|| ("anonymous_id", format!("it does not name a unit of `{}`", e.id)))?;
    let met = Met {
        experiment: &e.id,
        iteration: e.iteration,
        variant: &e.variants.get(*variant).ok_or_else(|| ("variant", "it does not exist".to_owned()))?.id,
        unit,
        unit_id,
        reason: "reported",
        anonymous_id: visitor,
        user_id: user,
        at: now,
        exposed_at: reported.exposed_at.millis(),
        fallback: false,
    };
    Ok(met.event(plan, reported.request.clone(), reported.versions.clone()))
}
