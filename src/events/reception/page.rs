//! What a page claims: about its own visitor, and about nobody else.

use super::claim::{Claimed, Wrong, complete, known_variants};
use super::view::or_known;
use super::{Claim, Draft, Reported, proof};
use crate::decide::Reason;
use crate::document::{Status, UnitKind};
use crate::events::exposure::Met;
use crate::events::{Event, PageView, Problem};
use crate::execution::Intent;
use crate::hash;
use crate::plan::Plan;
use crate::visitor::{Marks, Visitor};

/// What the worker knows about a page that sends events.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What would be decided for the visitor now, for the experiments that [`super::claimed`] names.
    pub intent: &'a Intent,
    /// The page view.
    pub view: &'a PageView,
    /// The user who is logged in, by what the document names for it.
    pub user: Option<&'a str>,
    /// The browser session that the request names.
    pub session: Option<&'a str>,
    /// `INGEST_SECRET`, under which the shop's server signs who a visitor is.
    pub key: Option<&'a [u8]>,
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
    for mut draft in drafts {
        let path = format!("events[{}]", draft.position);
        draft.anonymous_id = Some(visitor.id.to_string());
        if let Claim::Converted(conversion) = &mut draft.claim {
            // why: like the visitor it is the cookie's, whatever the body says; and where no unit is a session nobody asks
            conversion.session_id = page.session.filter(|_| plan.assigns_sessions).map(str::to_owned);
        }
        let event = user(&draft, visitor, page).and_then(|user| {
            draft.user_id = user;
            match &draft.claim {
                Claim::Exposed(reported) => page_exposure(plan, page, visitor, reported, draft.user_id.as_deref()),
                _ => complete(&draft, plan, page.intent.now, || hash::hex(&entropy())),
            }
        });
        match event {
            Ok(event) => events.push(event),
            Err((field, message)) => problems.push(Problem::new(format!("{path}.{field}"), message)),
        }
    }
    if problems.is_empty() { Ok(events) } else { Err(problems) }
}

/// The user of an event: whom the worker knows, or whom the page proves. What it only says joins nobody: anybody could take
/// over somebody else's orders, or give them theirs.
fn user(draft: &Draft, visitor: &Visitor, page: Page<'_>) -> Result<Option<String>, Wrong> {
    let known = page.user.map(str::to_owned);
    let Some(user) = draft.user_id.as_deref() else { return Ok(known) };
    let is_identification = matches!(draft.claim, Claim::Identified);
    // why: an identification holds for all that is to come, so that a cookie, which anybody can write, does not suffice
    if !is_identification && page.user == Some(user) {
        return Ok(known);
    }
    match proof::check(draft.proof.as_deref(), visitor.id.as_str(), user, page.key) {
        Ok(()) => Ok(Some(user.to_owned())),
        Err(_) if !is_identification && draft.proof.is_none() && page.user.is_some() => {
            Err(("user_id", "this visitor is not logged in as that user, and there is no proof".to_owned()))
        }
        Err(message) => Err(("proof", message.to_owned())),
    }
}

fn page_exposure(
    plan: &Plan,
    page: Page<'_>,
    visitor: &Visitor,
    reported: &Reported,
    user: Option<&str>,
) -> Result<Event, Wrong> {
    let candidates = known_variants(plan, reported)?;
    let found = candidates.iter().find_map(|claimed| Some((claimed, unit(plan, page.intent, visitor, claimed)?)));
    let name = candidates.first().map_or("", |claimed| &*claimed.e.id);
    let refused = || ("variant", format!("this visitor is not in that variant of `{name}`"));
    let (Claimed { e, variant, .. }, (unit, unit_id)) = found.ok_or_else(refused)?;
    let met = Met {
        experiment: &e.id,
        iteration: e.iteration,
        variant: &e.variants.get(*variant).ok_or_else(refused)?.id,
        unit,
        unit_id,
        reason: "reported",
        anonymous_id: Some(visitor.id.as_str()),
        user_id: user.or(visitor.user.as_deref()),
        at: page.intent.now,
        exposed_at: reported.exposed_at.millis(),
        fallback: false,
    };
    Ok(met.event(plan, or_known(&reported.request, page.view), reported.versions.clone()))
}

/// The unit that has the claimed variant; `None` where this visitor is not in it.
fn unit<'a>(plan: &Plan, intent: &Intent, visitor: &'a Visitor, claimed: &Claimed<'_>) -> Option<(UnitKind, &'a str)> {
    let Claimed { at, e, variant } = *claimed;
    let decision = intent.decisions.iter().find(|decision| decision.experiment == at)?;
    let by_visitor = (UnitKind::Visitor, visitor.id.as_str());
    if e.assigned_elsewhere {
        // why: the other tool knows what it assigned; whether it runs at all is the document's to say
        let user = visitor.user.as_deref().filter(|_| e.unit == UnitKind::User).map(|user| (UnitKind::User, user));
        return (e.status == Status::Running).then(|| user.unwrap_or(by_visitor));
    }
    let assigned = matches!(decision.reason, Reason::Split | Reason::Sticky);
    if assigned && decision.variant == Some(variant) {
        return match decision.evidence.unit? {
            UnitKind::Visitor => Some(by_visitor),
            UnitKind::User => Some((UnitKind::User, visitor.user.as_deref()?)),
            UnitKind::Session => {
                let (session, brought) = visitor.session.as_ref()?;
                brought.then_some((UnitKind::Session, session.as_str()))
            }
        };
    }
    // why: an audience may ask for the page, and this request is for another one; what the visitor was given stands in
    // their cookie
    let kept = decision.reason == Reason::Audience
        && e.unit == UnitKind::Visitor
        && Marks::default()
            .kept(plan, at, &visitor.assignments, intent.now)
            .is_some_and(|kept| kept.variant == Some(variant));
    kept.then_some(by_visitor)
}
