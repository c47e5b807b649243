//! Decisions → exposures.

use super::bounds::{MAX_HOST, MAX_METHOD, MAX_PATH, MAX_WORD, beginning, cut};
use super::{Event, Exposure, PageView, What, personal};
use crate::decide::{Decision, Reason};
use crate::document::{Timestamp, UnitKind};
use crate::execution::{Besides, ExposedTo, Intent};
use crate::facts::{Request, Source};
use crate::hash;
use crate::json::write::{Object, member};
use crate::plan::{MeasuredHoldout, Plan};
use crate::visitor::named;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is kept of a request, as texts of whoever knows them: see [`PageView`].
#[derive(Debug)]
pub struct PageViewRef<'a> {
    host: &'a str,
    path: Cow<'a, str>,
    method: &'a str,
    country: Option<String>,
    region: Option<String>,
    device: &'static str,
    browser: &'static str,
    referrer_host: Option<String>,
    visitor_type: Option<&'static str>,
    logged_in: Option<bool>,
}

/// What is kept of a request.
#[must_use]
pub fn page_view<'a, S: Source>(plan: &Plan, intent: &Intent, request: &'a Request<'_, S>) -> PageViewRef<'a> {
    let agent = request.agent();
    let visitor = intent.visitor();
    PageViewRef {
        host: beginning(request.url.host_name(), MAX_HOST),
        path: match personal::clean_path(request.url.path) {
            Cow::Borrowed(path) => Cow::Borrowed(beginning(path, MAX_PATH)),
            Cow::Owned(path) => Cow::Owned(cut(path, MAX_PATH)),
        },
        method: beginning(request.method, MAX_METHOD),
        country: request.property("country").map(|country| cut(country, MAX_WORD)),
        region: request.property("region").map(|region| cut(region, MAX_WORD)),
        device: agent.device.as_str(),
        browser: agent.browser.as_str(),
        // why: a host that is an address may be somebody's own
        referrer_host: request
            .referrer_host()
            .filter(|host| !host.is_empty() && host.len() <= MAX_HOST && !personal::is_personal(host)),
        visitor_type: visitor.map(|visitor| if visitor.returning { "returning" } else { "new" }),
        logged_in: visitor.filter(|_| knows_users(plan)).map(|visitor| visitor.user.is_some()),
    }
}

/// Whether the document says how to tell who is logged in.
fn knows_users(plan: &Plan) -> bool {
    let settings = &plan.visitor;
    settings.user_cookie.is_some() || settings.user_header.is_some() || settings.user_jwt.is_some()
}

impl PageViewRef<'_> {
    /// The view as JSON text, as serde writes the [`PageView`].
    // why: every first visit sends one, and a value of it is ten small texts that are made and thrown away
    #[must_use]
    #[inline(never)]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(256);
        let mut object = Object::begin(&mut text);
        object.text(member!("host"), self.host);
        object.text(member!("path"), &self.path);
        object.text(member!("method"), self.method);
        object.maybe(member!("country"), self.country.as_deref());
        object.maybe(member!("region"), self.region.as_deref());
        object.text(member!("device"), self.device);
        object.text(member!("browser"), self.browser);
        object.maybe(member!("referrer_host"), self.referrer_host.as_deref());
        object.maybe(member!("visitor_type"), self.visitor_type);
        object.json(member!("logged_in"), self.logged_in.map_or("null", |it| if it { "true" } else { "false" }));
        object.end();
        text
    }
}

impl From<PageViewRef<'_>> for PageView {
    fn from(view: PageViewRef<'_>) -> Self {
        Self {
            host: view.host.to_owned(),
            path: view.path.into_owned(),
            method: view.method.to_owned(),
            country: view.country,
            region: view.region,
            device: Some(view.device.to_owned()),
            browser: Some(view.browser.to_owned()),
            referrer_host: view.referrer_host,
            visitor_type: view.visitor_type.map(str::to_owned),
            logged_in: view.logged_in,
        }
    }
}

/// A variant that a unit met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met<'a> {
    pub(super) experiment: &'a str,
    pub(super) iteration: u32,
    pub(super) variant: &'a str,
    pub(super) unit: UnitKind,
    pub(super) unit_id: &'a str,
    pub(super) reason: &'static str,
    pub(super) anonymous_id: Option<&'a str>,
    pub(super) user_id: Option<&'a str>,
    /// When we heard of it, in milliseconds since 1970.
    pub(super) at: i64,
    /// When the unit met it, in milliseconds since 1970.
    pub(super) exposed_at: i64,
    /// Whether the variant's origin failed.
    pub(super) fallback: bool,
}

/// What the exposures of one page view share, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// The page view: [`PageViewRef::to_json`].
    pub view: &'a str,
    /// The versions of what made the page: [`super::versions::to_json`].
    pub versions: &'a str,
}

impl<'a> Met<'a> {
    /// What a decision of an intent assigned; `None` where it assigned nothing.
    pub(super) fn of(intent: &'a Intent, plan: &'a Plan, decision: &Decision) -> Option<Self> {
        let visitor = intent.visitor()?;
        let e = plan.experiments.get(decision.experiment)?;
        let unit = decision.evidence.unit?;
        Some(Self {
            experiment: &e.id,
            iteration: e.iteration,
            variant: &e.variants.get(decision.variant?)?.id,
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
            exposed_at: intent.now,
            fallback: intent.fell_back(decision.experiment),
        })
    }

    /// An exposure beside those of the page's decisions. One that waited for consent is told with the view of this page, for
    /// that of the page on which it was met was kept nowhere.
    pub(super) fn besides(intent: &'a Intent, plan: &'a Plan, besides: &Besides) -> Option<Self> {
        let visitor = intent.visitor()?;
        let session = visitor.session.as_ref().map(|(id, _)| id.as_str());
        let who = CalledBy { visitor: Some(visitor.id.as_str()), user: visitor.user.as_deref(), session };
        Self::of_person(who, plan, besides, intent.now)
    }

    fn of_person(who: CalledBy<'a>, plan: &'a Plan, besides: &Besides, now: i64) -> Option<Self> {
        let (experiment, iteration, variant) = match besides.to {
            ExposedTo::Variant(experiment, variant) => {
                let e = plan.experiments.get(experiment)?;
                (&*e.id, e.iteration, &*e.variants.get(variant)?.id)
            }
            ExposedTo::Holdout(group) => (HOLDOUT, 1, *MeasuredHoldout::GROUPS.get(group)?),
        };
        Some(Self {
            experiment,
            iteration,
            variant,
            unit: besides.unit,
            unit_id: who.id(besides.unit)?,
            reason: Reason::Split.as_str(),
            anonymous_id: who.visitor,
            user_id: who.user,
            at: now,
            exposed_at: besides.at,
            fallback: false,
        })
    }

    fn id(&self, plan: &Plan) -> String {
        exposure_id(&plan.project, self.experiment, self.iteration, self.unit_id)
    }

    fn session_id(&self) -> Option<&'a str> {
        (self.unit == UnitKind::Session).then_some(self.unit_id)
    }

    /// The exposure.
    pub(super) fn event(&self, plan: &Plan, view: PageView, versions: BTreeMap<String, String>) -> Event {
        Event {
            id: self.id(plan),
            project: (*plan.project).to_owned(),
            config_revision: (*plan.revision).to_owned(),
            at: Timestamp::from_millis(self.at).text(),
            anonymous_id: self.anonymous_id.map(str::to_owned),
            user_id: self.user_id.map(str::to_owned),
            what: What::Exposed(Exposure {
                experiment_id: self.experiment.to_owned(),
                iteration: self.iteration,
                variant: self.variant.to_owned(),
                unit: self.unit.as_str().to_owned(),
                session_id: self.session_id().map(str::to_owned),
                reason: self.reason.to_owned(),
                exposed_at: Timestamp::from_millis(self.exposed_at).text(),
                request: view,
                versions,
                fallback: self.fallback,
            }),
        }
    }

    /// The exposure as JSON, as serde writes the [`Met::event`].
    // why: every first visit sends one. As an event it is twenty-five small texts that are made, copied and thrown away,
    // which took longer than deciding
    pub(super) fn write(&self, plan: &Plan, shared: Shared<'_>, out: &mut String) {
        let at = Timestamp::from_millis(self.at).text();
        let mut object = Object::begin(out);
        object.text(member!("id"), &self.id(plan));
        object.text(member!("project"), &plan.project);
        object.text(member!("config_revision"), &plan.revision);
        object.text(member!("at"), &at);
        object.maybe(member!("anonymous_id"), self.anonymous_id);
        object.maybe(member!("user_id"), self.user_id);
        object.text(member!("type"), "experiment_exposed");
        object.text(member!("experiment_id"), self.experiment);
        object.json(member!("iteration"), &self.iteration.to_string());
        object.text(member!("variant"), self.variant);
        object.text(member!("unit"), self.unit.as_str());
        if let Some(session) = self.session_id() {
            object.text(member!("session_id"), session);
        }
        object.text(member!("reason"), self.reason);
        if self.exposed_at == self.at {
            object.text(member!("exposed_at"), &at);
        } else {
            object.text(member!("exposed_at"), &Timestamp::from_millis(self.exposed_at).text());
        }
        object.json(member!("request"), shared.view);
        object.json(member!("versions"), shared.versions);
        if self.fallback {
            object.json(member!("fallback"), "true");
        }
        object.end();
    }
}

/// The experiment that units of the holdout and those that are compared with them are exposed to.
pub const HOLDOUT: &str = MeasuredHoldout::ID;

/// The exposure of one decision; `None` where it assigned nothing.
#[must_use]
pub fn exposure(intent: &Intent, plan: &Plan, position: usize, view: &PageView) -> Option<Event> {
    let decision = intent.decisions.get(position)?;
    Some(Met::of(intent, plan, decision)?.event(plan, view.clone(), BTreeMap::new()))
}

/// The ids of a person whom a call asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct CalledBy<'a> {
    /// The visitor id.
    pub visitor: Option<&'a str>,
    /// The shop's user id.
    pub user: Option<&'a str>,
    /// The id of the browser session.
    pub session: Option<&'a str>,
}

impl<'a> CalledBy<'a> {
    fn id(&self, unit: UnitKind) -> Option<&'a str> {
        match unit {
            UnitKind::Visitor => self.visitor,
            UnitKind::User => self.user,
            UnitKind::Session => self.session,
        }
    }

    /// The same without a visitor id that is none: where one id is named for whichever unit an experiment has, it may be a
    /// user's.
    fn recordable(self, plan: &Plan) -> Self {
        Self { visitor: self.visitor.filter(|id| named(&plan.visitor, id).is_some()), ..self }
    }
}

/// What a browser that calls met before, and waited for consent, at a time in milliseconds since 1970.
#[must_use]
pub fn waited_exposure(plan: &Plan, besides: &Besides, who: CalledBy<'_>, now: i64, view: &PageView) -> Option<Event> {
    Some(Met::of_person(who, plan, besides, now)?.event(plan, view.clone(), BTreeMap::new()))
}

/// The exposure of a decision by call, at a time in milliseconds since 1970; `None` where it assigned nothing.
#[must_use]
pub fn called_exposure(
    plan: &Plan,
    decision: &Decision,
    who: CalledBy<'_>,
    now: i64,
    view: &PageView,
) -> Option<Event> {
    let e = plan.experiments.get(decision.experiment)?;
    let unit = decision.evidence.unit?;
    let who = who.recordable(plan);
    let met = Met {
        experiment: &e.id,
        iteration: e.iteration,
        variant: &e.variants.get(decision.variant?)?.id,
        unit,
        unit_id: who.id(unit)?,
        reason: decision.reason.as_str(),
        anonymous_id: who.visitor,
        user_id: who.user,
        at: now,
        exposed_at: now,
        fallback: false,
    };
    Some(met.event(plan, view.clone(), BTreeMap::new()))
}

/// The id of an exposure: of one unit to one iteration of one experiment, so that only the first counts.
#[must_use]
pub fn exposure_id(project: &str, experiment: &str, iteration: u32, unit: &str) -> String {
    hash::event_id(&["exposure", project, experiment, &iteration.to_string(), unit])
}
