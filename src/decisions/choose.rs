//! Our own question, `choose`: experiments by name and tag, for one unit or for many.

use super::answer;
use super::ask::Ask;
use super::body::{self, Field};
use super::context::Units;
use super::ofrep::Reading;
use crate::decide::{Decision, Reason};
use crate::document::{Kind, UnitKind};
use crate::plan::Plan;
use crate::visitor::MAX_ID;
use serde_json::{Map, Value};

/// The most units of a batch.
pub const MAX_BATCH: usize = 1000;

/// The most names and tags of one call.
const MOST_NAMES: usize = 10_000;

/// One unit that decisions are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its ids.
    pub units: Units,
    /// What is known of it, by the names of facts, and as `custom.*`.
    pub attributes: Map<String, Value>,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Choose {
    /// What is asked for.
    pub ask: Ask,
    /// The page that is meant, if one is.
    pub url: Option<String>,
    /// Whether what is returned counts as met: a server that renders it.
    pub expose: bool,
    /// The units: one, or those of a batch.
    pub choices: Vec<Choice>,
    /// Whether the call is a batch, which is answered as one.
    pub is_batch: bool,
}

impl Choose {
    /// The path of a unit's id in the body: `units.visitor`, `batch[3].units.visitor`.
    #[must_use]
    pub fn path_of(&self, place: usize, id: &str) -> String {
        if self.is_batch { format!("batch[{place}].units.{id}") } else { format!("units.{id}") }
    }

    /// Reads a body; `reading` says whose word its ids are.
    ///
    /// # Errors
    ///
    /// The field that is wrong, or an empty path where the body cannot be read.
    pub fn parse(text: &str, reading: Reading) -> Result<Self, Field> {
        let object = body::object(text).map_err(|problem| Field::wrong("", problem))?;
        let fields = ["units", "names", "tags", "url", "device", "attributes", "expose", "batch"];
        body::known(&object, "", &fields)?;
        let ask =
            Ask { names: body::texts(&object, "names", MOST_NAMES)?, tags: body::texts(&object, "tags", MOST_NAMES)? };
        let url = body::text(&object, "", "url", 4096)?;
        let expose = body::switch(&object, "expose")?;
        let Some(batch) = object.get("batch").filter(|batch| !batch.is_null()) else {
            let mut choice = choice(&object, "", reading)?;
            if let Some(device) = body::text(&object, "", "device", 32)? {
                choice.attributes.entry("device").or_insert(Value::String(device));
            }
            return Ok(Self { ask, url, expose, choices: vec![choice], is_batch: false });
        };
        if reading != Reading::Believed {
            return Err(Field::wrong("batch", "only servers ask for many: send the API token"));
        }
        if let Some(field) = ["units", "attributes", "device"].into_iter().find(|field| object.contains_key(*field)) {
            return Err(Field::wrong(field, "in a batch it stands in each entry"));
        }
        let Value::Array(list) = batch else {
            return Err(Field::wrong("batch", format!("it is {}: write a list", body::kind(batch))));
        };
        if list.is_empty() || list.len() > MAX_BATCH {
            return Err(Field::wrong("batch", format!("it has {} entries: send 1 to {MAX_BATCH}", list.len())));
        }
        let one = |(place, value): (usize, &Value)| {
            let at = format!("batch[{place}]");
            let Value::Object(entry) = value else {
                return Err(Field::wrong(at, format!("it is {}: write an object", body::kind(value))));
            };
            let at = format!("{at}.");
            body::known(entry, &at, &["units", "attributes", "device"])?;
            choice(entry, &at, reading)
        };
        let choices = list.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Self { ask, url, expose, choices, is_batch: true })
    }
}

fn choice(object: &Map<String, Value>, at: &str, reading: Reading) -> Result<Choice, Field> {
    let attributes = body::members(object, at, "attributes")?;
    if reading == Reading::Cookies {
        return Ok(Choice { units: Units::default(), attributes });
    }
    let units = body::members(object, at, "units")?;
    let inside = format!("{at}units.");
    body::known(&units, &inside, &["visitor", "user", "session"])?;
    let id = |name: &str| body::text(&units, &inside, name, MAX_ID);
    if reading == Reading::Visitor {
        // why: cookies do not travel from another site, and who is logged in is nobody's there to say
        let missing = || Field::wrong(format!("{inside}visitor"), "it is missing: name the visitor that is asked for");
        let visitor = Some(id("visitor")?.ok_or_else(missing)?);
        return Ok(Choice { units: Units { visitor, user: None, session: None }, attributes });
    }
    let units = Units { visitor: id("visitor")?, user: id("user")?, session: id("session")? };
    if units == Units::default() {
        let path = format!("{at}units");
        return Err(Field::wrong(path, "it names nobody: give `visitor`, `user` or `session`"));
    }
    Ok(Choice { units, attributes })
}

/// One unit's decisions as JSON: `{"decisions":[…]`, without the closing brace, so that the revision can follow.
///
/// `variant` and `payload` are null where nothing was assigned. `exposure` is what to post to `events` or `conversions`
/// once the unit has met the variant; null where there is nothing to record, or nothing may be recorded of anybody.
fn write_decisions(plan: &Plan, decisions: &[Decision], units: &Units, out: &mut String) {
    out.push_str("{\"decisions\":[");
    for (place, decision) in decisions.iter().enumerate() {
        let Some(e) = plan.experiments.get(decision.experiment) else { continue };
        if place > 0 {
            out.push(',');
        }
        let variant = decision.variant.and_then(|variant| e.variants.get(variant));
        out.push('{');
        answer::text("experiment", &e.id, out);
        answer::json("iteration", &e.iteration.to_string(), out);
        match variant {
            Some(variant) => answer::text("variant", &variant.id, out),
            None => answer::json("variant", "null", out),
        }
        answer::json("payload", variant.and_then(|variant| variant.payload.as_deref()).unwrap_or("null"), out);
        answer::text("reason", decision.reason.as_str(), out);
        let exposes = e.kind == Kind::Experiment
            && *units != Units::default()
            && matches!(decision.reason, Reason::Split | Reason::Sticky);
        match variant.filter(|_| exposes) {
            Some(variant) => {
                let mut exposure = String::from("{\"type\":\"experiment_exposed\"");
                answer::text("experiment_id", &e.id, &mut exposure);
                answer::json("iteration", &e.iteration.to_string(), &mut exposure);
                answer::text("variant", &variant.id, &mut exposure);
                let unit = decision.evidence.unit.unwrap_or(UnitKind::Visitor);
                let ids = [
                    ("anonymous_id", &units.visitor, true),
                    ("user_id", &units.user, true),
                    ("session_id", &units.session, unit == UnitKind::Session),
                ];
                for (name, id, said) in ids {
                    if let Some(id) = id.as_deref().filter(|_| said) {
                        answer::text(name, id, &mut exposure);
                    }
                }
                exposure.push('}');
                answer::json("exposure", &exposure, out);
            }
            None => answer::json("exposure", "null", out),
        }
        out.push('}');
    }
    out.push(']');
}

/// The answer of a call: each unit's decisions in the order of the call.
#[must_use]
pub fn answered(plan: &Plan, choose: &Choose, decided: &[(Units, Vec<Decision>)]) -> String {
    let mut out = String::with_capacity(64 + decided.iter().map(|(_, decisions)| decisions.len() * 160).sum::<usize>());
    if choose.is_batch {
        out.push_str("{\"batch\":[");
        for (place, (units, decisions)) in decided.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_decisions(plan, decisions, units, &mut out);
            out.push('}');
        }
        out.push(']');
    } else if let Some((units, decisions)) = decided.first() {
        write_decisions(plan, decisions, units, &mut out);
    } else {
        out.push('{');
    }
    answer::text("revision", &plan.revision, &mut out);
    out.push('}');
    out
}
