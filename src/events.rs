//! Decisions and outcomes → events of the telemetry contract; ids; parsing of what outsiders send.

use crate::bucket;
use crate::document::{Timestamp, UnitKind};
use crate::execution::Intent;
use crate::facts::{Request, Source};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the events' form.
pub const SCHEMA: u32 = 1;

/// The most events that one queue message carries.
pub const MAX_EVENTS: usize = 100;

/// One queue message: the events of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The version of the events' form.
    pub schema: u32,
    /// The random id of the isolate that sent it.
    pub source: String,
    /// How many messages the isolate sent before it: what never arrives leaves a gap.
    pub seq: u64,
    /// The events.
    pub events: Vec<Event>,
}

/// Something that happened to a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its deterministic id, 128 bits in hexadecimal: the same event delivered twice is stored once.
    pub id: String,
    /// The project.
    pub project: String,
    /// The document's revision.
    pub config_revision: String,
    /// When the worker saw it, RFC 3339 in milliseconds.
    pub at: String,
    /// The visitor id.
    #[serde(default)]
    pub anonymous_id: Option<String>,
    /// The shop's user id.
    #[serde(default)]
    pub user_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum What {
    /// A unit met a variant.
    #[serde(rename = "experiment_exposed")]
    Exposed(Exposure),
}

/// A unit met a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// The experiment's id.
    pub experiment_id: String,
    /// Its iteration.
    pub iteration: u32,
    /// The variant's id.
    pub variant: String,
    /// Who was assigned: `visitor`, `user` or `session`.
    #[serde(default = "visitor")]
    pub unit: String,
    /// The session's id, where that is the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// How the unit came by it: `split` or `sticky`.
    pub reason: String,
    /// When the answer left.
    pub exposed_at: String,
    /// The page view.
    pub request: PageView,
    /// Versions of what else had a say, by name.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
}

/// What is kept of a page view: no address, no user agent, no query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageView {
    /// The host.
    pub host: String,
    /// The path.
    pub path: String,
    /// The method.
    pub method: String,
    /// The country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// `mobile`, `tablet` or `desktop`.
    pub device: Option<String>,
    /// The browser's name.
    pub browser: Option<String>,
    /// The host of the page that linked here.
    pub referrer_host: Option<String>,
    /// `new` or `returning`.
    pub visitor_type: Option<String>,
}

fn visitor() -> String {
    "visitor".to_owned()
}

impl Message {
    /// Reads a message as the queue delivers it.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken into the record: no JSON of this form, another version, too many events.
    pub fn parse(text: &str) -> Result<Self, String> {
        let message: Self =
            serde_json::from_str(text).map_err(|error| format!("not a message of schema {SCHEMA}: {error}"))?;
        if message.schema != SCHEMA {
            return Err(format!("schema {} is not known here (this build knows {SCHEMA})", message.schema));
        }
        if message.events.len() > MAX_EVENTS {
            return Err(format!("{} events are more than a message carries ({MAX_EVENTS})", message.events.len()));
        }
        Ok(message)
    }
}

/// What is kept of a request.
#[must_use]
pub fn page_view<S: Source>(intent: &Intent, request: &Request<'_, S>) -> PageView {
    let agent = request.agent();
    PageView {
        host: request.url.host_name().to_owned(),
        path: request.url.path.to_owned(),
        method: request.method.to_owned(),
        country: request.property("country"),
        device: Some(agent.device.as_str().to_owned()),
        browser: Some(agent.browser.as_str().to_owned()),
        referrer_host: request.referrer_host(),
        visitor_type: intent.visitor().map(|visitor| if visitor.returning { "returning" } else { "new" }.to_owned()),
    }
}

/// The exposures of an intent's decisions, by their positions among them.
#[must_use]
pub fn exposures(intent: &Intent, plan: &Plan, exposed: &[usize], page: &PageView) -> Vec<Event> {
    let Some(visitor) = intent.visitor() else { return Vec::new() };
    let at = Timestamp::from_millis(intent.now).to_string();
    let session = visitor.session.as_ref().map(|(id, _)| id.as_str());
    exposed
        .iter()
        .filter_map(|&position| {
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
                project: plan.project.to_string(),
                config_revision: plan.revision.to_string(),
                at: at.clone(),
                anonymous_id: Some(visitor.id.to_string()),
                user_id: visitor.user.clone(),
                what: What::Exposed(Exposure {
                    experiment_id: e.id.to_string(),
                    iteration: e.iteration,
                    variant: variant.id.to_string(),
                    unit: unit.to_owned(),
                    session_id: session_id.map(str::to_owned),
                    reason: decision.reason.as_str().to_owned(),
                    exposed_at: at.clone(),
                    request: page.clone(),
                    versions: BTreeMap::new(),
                }),
            })
        })
        .collect()
}

/// The id of an exposure: of one unit to one iteration of one experiment, so that only the first counts.
#[must_use]
pub fn exposure_id(project: &str, experiment: &str, iteration: u32, unit: &str) -> String {
    bucket::event_id(&["exposure", project, experiment, &iteration.to_string(), unit])
}
