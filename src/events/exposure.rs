//! Decisions → exposures.

use super::json::Object;
use super::{Event, Exposure, PageView, What, personal};
use crate::decide::{Decision, Reason};
use crate::document::{Timestamp, UnitKind};
use crate::execution::{Besides, ExposedTo, Intent};
use crate::facts::{Request, Source};
use crate::hash;
use crate::plan::{Experiment, MeasuredHoldout, Plan, Variant};
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

impl PageView {
    /// The view as JSON text, as serde writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(256);
        let mut object = Object::begin(&mut text);
        object.text("host", &self.host);
        object.text("path", &self.path);
        object.text("method", &self.method);
        object.maybe("country", self.country.as_deref());
        object.maybe("device", self.device.as_deref());
        object.maybe("browser", self.browser.as_deref());
        object.maybe("referrer_host", self.referrer_host.as_deref());
        object.maybe("visitor_type", self.visitor_type.as_deref());
        object.end();
        text
    }
}

/// A variant that a unit met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met<'a> {
    pub(super) e: &'a Experiment,
    pub(super) variant: &'a Variant,
    pub(super) unit: UnitKind,
    pub(super) unit_id: &'a str,
    pub(super) reason: &'static str,
    pub(super) anonymous_id: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
    /// When, in milliseconds since 1970.
    pub(super) at: i64,
}

impl<'a> Met<'a> {
    /// What a decision of an intent assigned; `None` where it assigned nothing.
    pub(super) fn of(intent: &'a Intent, plan: &'a Plan, decision: &Decision) -> Option<Self> {
        let visitor = intent.visitor()?;
        let e = plan.experiments.get(decision.experiment)?;
        let unit = decision.evidence.unit?;
        Some(Self {
            e,
            variant: e.variants.get(decision.variant?)?,
            unit,
            unit_id: match unit {
                UnitKind::Visitor => visitor.id.as_str(),
                UnitKind::User => visitor.user.as_deref()?,
                UnitKind::Session => visitor.session.as_ref().map(|(id, _)| id.as_str())?,
            },
            reason: decision.reason.as_str(),
            anonymous_id: Some(visitor.id.as_str()),
            user_id: visitor.user.as_deref(),
            at: intent.now,
        })
    }

    fn id(&self, plan: &Plan) -> String {
        exposure_id(&plan.project, &self.e.id, self.e.iteration, self.unit_id)
    }

    fn session_id(&self) -> Option<&'a str> {
        (self.unit == UnitKind::Session).then_some(self.unit_id)
    }

    /// The exposure.
    pub(super) fn event(&self, plan: &Plan, view: &PageView) -> Event {
        let at = Timestamp::from_millis(self.at).to_string();
        Event {
            id: self.id(plan),
            project: (*plan.project).to_owned(),
            config_revision: (*plan.revision).to_owned(),
            at: at.clone(),
            anonymous_id: self.anonymous_id.map(str::to_owned),
            user_id: self.user_id.map(str::to_owned),
            what: What::Exposed(Exposure {
                experiment_id: (*self.e.id).to_owned(),
                iteration: self.e.iteration,
                variant: (*self.variant.id).to_owned(),
                unit: self.unit.as_str().to_owned(),
                session_id: self.session_id().map(str::to_owned),
                reason: self.reason.to_owned(),
                exposed_at: at,
                request: view.clone(),
                versions: BTreeMap::new(),
            }),
        }
    }

    /// The exposure as JSON, as serde writes the [`Met::event`]; `view` is JSON too.
    // why: every first visit sends one. As an event it is twenty-five small texts that are made, copied and thrown away,
    // which took longer than deciding
    pub(super) fn write(&self, plan: &Plan, view: &str, out: &mut String) {
        let at = Timestamp::from_millis(self.at).to_string();
        let mut object = Object::begin(out);
        object.text("id", &self.id(plan));
        object.text("project", &plan.project);
        object.text("config_revision", &plan.revision);
        object.text("at", &at);
        object.maybe("anonymous_id", self.anonymous_id);
        object.maybe("user_id", self.user_id);
        object.text("type", "experiment_exposed");
        object.text("experiment_id", &self.e.id);
        object.json("iteration", &self.e.iteration.to_string());
        object.text("variant", &self.variant.id);
        object.text("unit", self.unit.as_str());
        if let Some(session) = self.session_id() {
            object.text("session_id", session);
        }
        object.text("reason", self.reason);
        object.text("exposed_at", &at);
        object.json("request", view);
        object.json("versions", "{}");
        object.end();
    }
}

/// An exposure beside those of the page's decisions: with the view of the page on which it is told, for that of the page
/// on which it was met was kept nowhere.
pub(super) fn besides_event(intent: &Intent, plan: &Plan, besides: &Besides, view: &str) -> Option<Event> {
    let visitor = intent.visitor()?;
    let unit_id = match besides.unit {
        UnitKind::Visitor => visitor.id.as_str(),
        UnitKind::User => visitor.user.as_deref()?,
        UnitKind::Session => visitor.session.as_ref().map(|(id, _)| id.as_str())?,
    };
    let (experiment, iteration, variant) = match besides.to {
        ExposedTo::Variant(experiment, variant) => {
            let e = plan.experiments.get(experiment)?;
            (&*e.id, e.iteration, &*e.variants.get(variant)?.id)
        }
        ExposedTo::Holdout(group) => (MeasuredHoldout::ID, 1, *MeasuredHoldout::GROUPS.get(group)?),
    };
    let at = Timestamp::from_millis(besides.at).to_string();
    Some(Event {
        id: exposure_id(&plan.project, experiment, iteration, unit_id),
        project: (*plan.project).to_owned(),
        config_revision: (*plan.revision).to_owned(),
        at: Timestamp::from_millis(intent.now).to_string(),
        anonymous_id: Some(visitor.id.to_string()),
        user_id: visitor.user.clone(),
        what: What::Exposed(Exposure {
            experiment_id: experiment.to_owned(),
            iteration,
            variant: variant.to_owned(),
            unit: besides.unit.as_str().to_owned(),
            session_id: (besides.unit == UnitKind::Session).then(|| unit_id.to_owned()),
            reason: Reason::Split.as_str().to_owned(),
            exposed_at: at,
            request: serde_json::from_str(view).ok()?,
            versions: BTreeMap::new(),
        }),
    })
}

/// The exposure of one decision; `None` where it assigned nothing.
#[must_use]
pub fn exposure(intent: &Intent, plan: &Plan, position: usize, view: &PageView) -> Option<Event> {
    let decision = intent.decisions.get(position)?;
    Some(Met::of(intent, plan, decision)?.event(plan, view))
}

/// The id of an exposure: of one unit to one iteration of one experiment, so that only the first counts.
#[must_use]
pub fn exposure_id(project: &str, experiment: &str, iteration: u32, unit: &str) -> String {
    hash::event_id(&["exposure", project, experiment, &iteration.to_string(), unit])
}
