//! Bodies that pages and servers send → events.
//!
//! In two steps: [`read`] looks at the body alone and collects everything that is wrong with it; [`from_page`] and
//! [`from_server`] fill in what the worker knows and hold the claims against it. A page speaks for its own visitor only:
//! who that is comes from the cookie, and which variants it may claim to have met from the same decision that every page
//! of that visitor is served by.

use super::identity::identification_id;
use super::money::{Currency, Decimal};
use super::properties::{properties, versions};
use super::reader::{Clock, Reader, kind};
use super::{Channel, Conversion, EndedEarly, Event, Exposure, MAX_EVENTS, PageView, Problem, What, exposure};
use crate::bucket;
use crate::decide::Reason;
use crate::document::{Kind, Timestamp, UnitKind};
use crate::execution::Intent;
use crate::plan::{Experiment, Plan};
use crate::visitor::VisitorId;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest user id and transaction id, in bytes.
const MAX_KEY: usize = 128;

/// What a sender of events claims, checked as far as its body goes.
#[derive(Clone, Debug)]
pub struct Draft {
    position: usize,
    id: Option<String>,
    anonymous_id: Option<String>,
    user_id: Option<String>,
    claim: Claim,
}

#[derive(Clone, Debug)]
enum Claim {
    Exposed { experiment: String, variant: String, iteration: Option<u64>, versions: BTreeMap<String, String> },
    Converted(Box<Conversion>),
    Ended(EndedEarly),
    Identified,
}

const COMMON: [&str; 7] = ["type", "id", "project", "config_revision", "at", "anonymous_id", "user_id"];
const EXPOSED: [&str; 9] =
    ["experiment_id", "iteration", "variant", "reason", "unit", "session_id", "exposed_at", "request", "versions"];
const CONVERTED: [&str; 10] = [
    "conversion_event",
    "value",
    "currency",
    "transaction_id",
    "refund_of",
    "converted_at",
    "experiment_id",
    "variant",
    "channel",
    "properties",
];
const ENDED: [&str; 4] = ["experiment_id", "variant", "ended_reason", "ended_at"];

/// Reads a body: `{"events": [ … ]}`, and optionally `sent_at`, the sender's clock, by which its times are corrected.
/// `now` in milliseconds since 1970.
///
/// # Errors
///
/// Everything that is wrong with it, each with its field: `events[2].value: …`.
pub fn read(body: &[u8], channel: Channel, now: i64) -> Result<Vec<Draft>, Vec<Problem>> {
    let whole = |message: &str| vec![Problem::new("", message)];
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("it is empty: send {\"events\": [ … ]}"));
    }
    if body.len() > MAX_BODY {
        return Err(whole("it is larger than 64 KiB: send fewer events at a time"));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| whole(&format!("it is not JSON: {error}")))?;
    let Value::Object(fields) = &value else {
        return Err(whole(&format!("it is {}: send {{\"events\": [ … ]}}", kind(&value))));
    };
    let mut problems = Vec::new();
    let mut top = Reader { path: String::new(), fields, problems: &mut problems };
    top.allow(&[&["events", "sent_at"]]);
    let sent_at = top.get("sent_at").is_some().then(|| top.text("sent_at", 64)).flatten();
    let correction = match sent_at.as_deref().map(str::parse::<Timestamp>) {
        None => 0,
        Some(Ok(sent_at)) => now.saturating_sub(sent_at.millis()),
        Some(Err(problem)) => {
            top.complain("sent_at", problem);
            0
        }
    };
    let events = match top.get("events").cloned() {
        Some(Value::Array(events)) if events.is_empty() => {
            top.complain("events", "it is empty: send at least one event");
            Vec::new()
        }
        Some(Value::Array(events)) if events.len() > MAX_EVENTS => {
            top.complain("events", format!("{} events are more than {MAX_EVENTS}: send several bodies", events.len()));
            Vec::new()
        }
        Some(Value::Array(events)) => events,
        Some(other) => {
            top.complain("events", format!("it is {}, and a list of events is needed", kind(&other)));
            Vec::new()
        }
        None => {
            top.complain("events", "it is missing: send {\"events\": [ … ]}");
            Vec::new()
        }
    };
    let clock = Clock { now, correction };
    let drafts: Vec<Draft> = events
        .iter()
        .enumerate()
        .filter_map(|(position, event)| draft(event, position, channel, clock, &mut problems))
        .collect();
    if problems.is_empty() { Ok(drafts) } else { Err(problems) }
}

fn draft(event: &Value, position: usize, channel: Channel, clock: Clock, problems: &mut Vec<Problem>) -> Option<Draft> {
    let path = format!("events[{position}]");
    let Value::Object(fields) = event else {
        problems.push(Problem::new(path, format!("it is {}, and an event is needed", kind(event))));
        return None;
    };
    let mut reader = Reader { path, fields, problems };
    let kind = reader.required("type", |reader| reader.text("type", 64))?;
    let claim = match kind.as_str() {
        "experiment_exposed" => exposed(&mut reader),
        "experiment_converted" => converted(&mut reader, channel, clock),
        "experiment_ended_early" if channel == Channel::Page => {
            reader.complain("type", "only a server may say that an experiment ended");
            None
        }
        "experiment_ended_early" => ended(&mut reader, clock),
        "identified" => {
            reader.allow(&[&COMMON]);
            Some(Claim::Identified)
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            reader.complain(
                "type",
                format!(
                    "{shown:?} is none of experiment_exposed, experiment_converted, experiment_ended_early, identified"
                ),
            );
            None
        }
    };
    let user_id = reader.opaque("user_id", MAX_KEY);
    let (id, anonymous_id) = match channel {
        // why: who a page speaks for is in its cookie, whatever its body says
        Channel::Page => (reader.hex_id("id"), None),
        _ => {
            let text = reader.text("anonymous_id", MAX_KEY);
            if text.as_deref().is_some_and(|text| VisitorId::accept(text).is_none()) {
                reader.complain("anonymous_id", "it is no visitor id: 8 to 128 characters of A-Za-z0-9._~-");
            }
            (reader.hex_id("id"), text)
        }
    };
    Some(Draft { position, id, anonymous_id, user_id, claim: claim? })
}

fn exposed(reader: &mut Reader<'_>) -> Option<Claim> {
    reader.allow(&[&COMMON, &EXPOSED]);
    let experiment = reader.required("experiment_id", |reader| reader.id("experiment_id"));
    let variant = reader.required("variant", |reader| reader.id("variant"));
    let iteration = reader.get("iteration").map(Value::as_u64);
    if iteration == Some(None) {
        reader.complain("iteration", "a whole number is needed");
    }
    let versions = versions(reader);
    Some(Claim::Exposed { experiment: experiment?, variant: variant?, iteration: iteration.flatten(), versions })
}

fn converted(reader: &mut Reader<'_>, channel: Channel, clock: Clock) -> Option<Claim> {
    reader.allow(&[&COMMON, &CONVERTED]);
    let conversion_event = reader.required("conversion_event", |reader| reader.opaque("conversion_event", 64));
    let currency = reader.text("currency", 8).and_then(|code| match Currency::try_from(code) {
        Ok(currency) => Some(currency),
        Err(problem) => {
            reader.complain("currency", problem);
            None
        }
    });
    let value = value(reader, channel, currency);
    let transaction_id = transaction(reader, "transaction_id");
    let refund_of = transaction(reader, "refund_of");
    let converted_at = reader.time("converted_at", clock);
    let (experiment_id, variant) = (reader.id("experiment_id"), reader.id("variant"));
    let properties = properties(reader);
    Some(Claim::Converted(Box::new(Conversion {
        conversion_event: conversion_event?,
        value,
        currency,
        transaction_id,
        refund_of,
        converted_at: converted_at?.to_string(),
        experiment_id,
        variant,
        channel,
        properties,
    })))
}

/// Order numbers are often sent as numbers.
fn transaction(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    match reader.get(name) {
        Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
        _ => reader.opaque(name, MAX_KEY),
    }
}

fn value(reader: &mut Reader<'_>, channel: Channel, currency: Option<Currency>) -> Option<Decimal> {
    let read = match reader.get("value")? {
        Value::Number(number) => Decimal::from_json(number),
        Value::String(text) => text.parse(),
        other => Err(format!("it is {}, and a decimal number is needed", kind(other))),
    };
    let exponent = currency.map_or(super::money::DEFAULT_EXPONENT, Currency::exponent);
    let problem = match read {
        Err(problem) => problem,
        Ok(value) if value.is_negative() && channel == Channel::Page => {
            "a page cannot report money that goes back: send refunds from a server".to_owned()
        }
        // why: a currency that is wrong has been complained about, and its digits are not known
        Ok(value) if currency.is_none() && reader.get("currency").is_some() => return Some(value),
        Ok(value) => match value.minor(exponent) {
            Ok(_) => return Some(value),
            Err(problem) => problem,
        },
    };
    reader.complain("value", problem);
    None
}

fn ended(reader: &mut Reader<'_>, clock: Clock) -> Option<Claim> {
    reader.allow(&[&COMMON, &ENDED]);
    let experiment_id = reader.required("experiment_id", |reader| reader.id("experiment_id"));
    let variant = reader.id("variant");
    let ended_reason = reader.required("ended_reason", |reader| reader.opaque("ended_reason", 256));
    let ended_at = reader.time("ended_at", clock)?.to_string();
    Some(Claim::Ended(EndedEarly { experiment_id: experiment_id?, variant, ended_reason: ended_reason?, ended_at }))
}

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
            _ => complete(&draft, plan, page.intent.now, || bucket::hex(&entropy())),
        };
        match event {
            Ok(event) => events.push(event),
            Err((field, message)) => problems.push(Problem::new(format!("{path}.{field}"), message)),
        }
    }
    if problems.is_empty() { Ok(events) } else { Err(problems) }
}

type Wrong = (&'static str, String);

fn known_variant<'a>(
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
        && visitor
            .assignments
            .of(&e.id)
            .is_some_and(|entry| entry.iteration == e.iteration && e.variant(&entry.variant) == Some(variant));
    if !(kept || assigned && decision.variant == Some(variant)) {
        return Err(refused());
    }
    let session_is_known = visitor.session.as_ref().is_some_and(|(_, brought)| *brought);
    if decision.evidence.unit == Some(UnitKind::Session) && !session_is_known {
        return Err(refused());
    }
    if kept {
        let unit = visitor.id.as_str();
        let draft = Met { e, variant, unit: "visitor", unit_id: unit, reason: "sticky" };
        return draft.event(plan, Some(unit), visitor.user.as_deref(), page.intent.now, page.view).ok_or_else(refused);
    }
    exposure::exposure(page.intent, plan, position, page.view).ok_or_else(refused)
}

/// An exposure that no intent of ours stands behind.
struct Met<'a> {
    e: &'a Experiment,
    variant: usize,
    unit: &'static str,
    unit_id: &'a str,
    reason: &'static str,
}

impl Met<'_> {
    fn event(
        &self,
        plan: &Plan,
        visitor: Option<&str>,
        user: Option<&str>,
        now: i64,
        view: &PageView,
    ) -> Option<Event> {
        let at = Timestamp::from_millis(now).to_string();
        Some(Event {
            id: super::exposure_id(&plan.project, &self.e.id, self.e.iteration, self.unit_id),
            project: plan.project.to_string(),
            config_revision: plan.revision.to_string(),
            at: at.clone(),
            anonymous_id: visitor.map(str::to_owned),
            user_id: user.map(str::to_owned),
            what: What::Exposed(Exposure {
                experiment_id: self.e.id.to_string(),
                iteration: self.e.iteration,
                variant: self.e.variants.get(self.variant)?.id.to_string(),
                unit: self.unit.to_owned(),
                session_id: None,
                reason: self.reason.to_owned(),
                exposed_at: at,
                request: view.clone(),
                versions: BTreeMap::new(),
            }),
        })
    }
}

/// The events of a server's drafts. `tag` is the signature's, `now` in milliseconds since 1970.
///
/// Ids that nobody gave follow from the signature, so that the same request sent twice changes nothing.
///
/// # Errors
///
/// Events that name nobody, or experiments and variants that do not exist, each with its field.
pub fn from_server(drafts: &[Draft], plan: &Plan, tag: &[u8; 32], now: i64) -> Result<Vec<Event>, Vec<Problem>> {
    let tag = bucket::hex(tag);
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
            _ => complete(draft, plan, now, || {
                bucket::event_id(&["conversion", &plan.project, "signed", &tag, &position])
            }),
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
        UnitKind::Visitor => visitor.map(|id| ("visitor", id)),
        UnitKind::User => user.map(|id| ("user", id)),
        UnitKind::Session => None,
    };
    let (unit, unit_id) = known(e.unit)
        .or_else(|| e.else_unit.and_then(known))
        .ok_or_else(|| ("anonymous_id", format!("it does not name a unit of `{experiment}`")))?;
    let view = PageView::default();
    let met = Met { e, variant, unit, unit_id, reason: "split" };
    met.event(plan, visitor, user, now, &view).ok_or_else(|| ("variant", "it does not exist".to_owned()))
}

/// The event of a draft that is no exposure.
fn complete(draft: &Draft, plan: &Plan, now: i64, new_id: impl FnOnce() -> String) -> Result<Event, Wrong> {
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
            (bucket::event_id(&parts), What::EndedEarly(ended.clone()))
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
    bucket::event_id(&["conversion", project, conversion_event, transaction])
}
