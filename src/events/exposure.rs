//! Decisions → exposures.

use super::{Event, Exposure, PageView, What, personal};
use crate::bucket;
use crate::document::{Timestamp, UnitKind};
use crate::execution::Intent;
use crate::facts::{Request, Source};
use crate::plan::Plan;
use std::collections::BTreeMap;

/// What is kept of a request.
#[must_use]
pub fn page_view<S: Source>(intent: &Intent, request: &Request<'_, S>) -> PageView {
    let agent = request.agent();
    PageView {
        host: request.url.host_name().to_owned(),
        path: personal::clean_path(request.url.path),
        method: request.method.to_owned(),
        country: request.property("country"),
        device: Some(agent.device.as_str().to_owned()),
        browser: Some(agent.browser.as_str().to_owned()),
        referrer_host: request.referrer_host().filter(|host| !host.is_empty()),
        visitor_type: intent.visitor().map(|visitor| if visitor.returning { "returning" } else { "new" }.to_owned()),
    }
}

/// The exposures of an intent's decisions, by their positions among them.
#[must_use]
pub fn exposures(intent: &Intent, plan: &Plan, exposed: &[usize], page: &PageView) -> Vec<Event> {
    exposed.iter().filter_map(|&position| exposure(intent, plan, position, page)).collect()
}

/// The exposure of one decision; `None` where it assigned nothing.
pub(super) fn exposure(intent: &Intent, plan: &Plan, position: usize, page: &PageView) -> Option<Event> {
    let visitor = intent.visitor()?;
    let at = Timestamp::from_millis(intent.now).to_string();
    let session = visitor.session.as_ref().map(|(id, _)| id.as_str());
    let decision = intent.decisions.get(position)?;
    let e = plan.experiments.get(decision.experiment)?;
    let variant = e.variants.get(decision.variant?)?;
    let (unit, unit_id, session_id) = match decision.evidence.unit? {
        UnitKind::Visitor => ("visitor", visitor.id.as_str(), None),
        UnitKind::User => ("user", visitor.user.as_deref()?, None),
        UnitKind::Session => ("session", session?, session),
    };
    Some(Event {
        id: exposure_id(&plan.project, &e.id, e.iteration, unit_id),
        project: (*plan.project).to_owned(),
        config_revision: (*plan.revision).to_owned(),
        at: at.clone(),
        anonymous_id: Some(visitor.id.as_str().to_owned()),
        user_id: visitor.user.clone(),
        what: What::Exposed(Exposure {
            experiment_id: (*e.id).to_owned(),
            iteration: e.iteration,
            variant: (*variant.id).to_owned(),
            unit: unit.to_owned(),
            session_id: session_id.map(str::to_owned),
            reason: decision.reason.as_str().to_owned(),
            exposed_at: at,
            request: page.clone(),
            versions: BTreeMap::new(),
        }),
    })
}

/// The id of an exposure: of one unit to one iteration of one experiment, so that only the first counts.
#[must_use]
pub fn exposure_id(project: &str, experiment: &str, iteration: u32, unit: &str) -> String {
    bucket::event_id(&["exposure", project, experiment, &iteration.to_string(), unit])
}
