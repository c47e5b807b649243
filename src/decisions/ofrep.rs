//! OFREP 0.3.0, OpenFeature's protocol for remote evaluation: its bodies, reasons and error codes.

use super::ask::{Asked, by_name};
use super::context::Units;
use super::{answer, body};
use crate::decide::{Decision, Reason};
use crate::plan::{Experiment, Plan, Variant, VariantAt};
use crate::visitor::MAX_ID;
use serde_json::{Map, Value};

/// The longest key that an answer repeats, in characters.
const LONGEST_KEY: usize = 200;

/// OpenFeature's error codes, as far as OFREP uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The body cannot be read.
    ParseError,
    /// The context does not say who is meant.
    TargetingKeyMissing,
    /// The context is not as it should be.
    InvalidContext,
    /// There is no such flag.
    FlagNotFound,
    /// Anything else.
    General,
}

impl ErrorCode {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseError => "PARSE_ERROR",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::InvalidContext => "INVALID_CONTEXT",
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::General => "GENERAL",
        }
    }
}

/// Why an evaluation fails as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub details: String,
}

impl Failure {
    /// A failure.
    pub fn new(code: ErrorCode, details: impl Into<String>) -> Self {
        Self { code, details: details.into() }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.code == ErrorCode::FlagNotFound { 404 } else { 400 }
    }

    /// The answer: with the `key` of a single evaluation.
    #[must_use]
    pub fn to_json(&self, key: Option<&str>) -> String {
        let mut out = String::from("{");
        if let Some(key) = key {
            answer::text("key", &shortened(key), &mut out);
        }
        answer::text("errorCode", self.code.as_str(), &mut out);
        answer::text("errorDetails", &self.details, &mut out);
        out.push('}');
        out
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(LONGEST_KEY).collect()
}

/// Whose word a context's ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A server's: believed, and there must be a `targetingKey`.
    Believed,
    /// A browser's of this site: its ids are its cookies', and what the context says of them is nothing to us.
    Cookies,
    /// A browser's of another site: its `targetingKey` is a visitor id, and never a user.
    Visitor,
}

/// An evaluation request.
#[derive(Clone, Debug, PartialEq)]
pub struct Ofrep {
    /// The ids that the context gives.
    pub units: Units,
    /// The page that is meant, if one is.
    pub url: Option<String>,
    /// Whether a single evaluation is to be recorded as an exposure.
    pub expose: bool,
    /// The context.
    pub attributes: Map<String, Value>,
}

impl Ofrep {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// What is wrong with it, by OFREP's code.
    pub fn parse(text: &str, reading: Reading) -> Result<Self, Failure> {
        let object = body::object(text).map_err(|problem| Failure::new(ErrorCode::ParseError, problem))?;
        // why: what else stands beside the context is for OFREP to say, whose schema is open to more
        let context = match object.get("context") {
            Some(Value::Object(context)) => context,
            Some(other) => {
                let details = format!("context: it is {}: write an object", body::kind(other));
                return Err(Failure::new(ErrorCode::InvalidContext, details));
            }
            None => return Err(Failure::new(ErrorCode::InvalidContext, "context: it is missing")),
        };
        let invalid =
            |field: body::Field| Failure::new(ErrorCode::InvalidContext, format!("{}: {}", field.path, field.message));
        let id = |name: &str| body::text(context, "context.", name, MAX_ID).map_err(invalid);
        let key = match reading {
            Reading::Cookies => None,
            _ => {
                let key = match context.get("targetingKey") {
                    Some(Value::String(empty)) if empty.is_empty() => None,
                    _ => id("targetingKey")?,
                };
                let missing = "context.targetingKey: it is missing: name the unit that is asked for";
                Some(key.ok_or_else(|| Failure::new(ErrorCode::TargetingKeyMissing, missing))?)
            }
        };
        let units = match reading {
            Reading::Cookies => Units::default(),
            Reading::Visitor => Units { visitor: key, user: None, session: None },
            Reading::Believed => {
                let (visitor, user, session) = (id("visitor_id")?, id("user_id")?, id("session_id")?);
                // why: the key is the id of whichever unit an experiment is assigned by, but where it is known to be one
                // kind's it is no other's: a visitor who is not logged in has no user id
                let is_known = |other: &Option<String>| other.is_some() && *other == key;
                let other = |mine: Option<String>, known: bool| mine.or_else(|| key.clone().filter(|_| !known));
                let is_session = is_known(&session);
                Units {
                    user: other(user.clone(), is_known(&visitor) || is_session),
                    visitor: other(visitor.clone(), false),
                    session: other(session, is_known(&visitor) || is_known(&user)),
                }
            }
        };
        let url = body::text(context, "context.", "url", 4096).map_err(invalid)?;
        let expose = body::switch(context, "expose").map_err(invalid)?;
        Ok(Self { units, url, expose, attributes: context.clone() })
    }

    /// The experiments of a flag's key.
    ///
    /// # Errors
    ///
    /// Where there is no such flag.
    pub fn flag(plan: &Plan, key: &str) -> Result<Asked, Failure> {
        let found = if key.len() > 1024 { Vec::new() } else { by_name(plan, key) };
        if found.is_empty() {
            let details = format!("there is no flag `{}`", shortened(key));
            return Err(Failure::new(ErrorCode::FlagNotFound, details));
        }
        Ok(Asked(found))
    }
}

/// One flag's answer. Of experiments that share a key it is that of the one which gave a variant, or else the first's.
#[derive(Clone, Copy, Debug)]
pub struct Flag<'a> {
    plan: &'a Plan,
    e: &'a Experiment,
    decision: &'a Decision,
}

impl<'a> Flag<'a> {
    /// The flags of decisions, one for each key, in the document's order.
    #[must_use]
    pub fn all(plan: &'a Plan, decisions: &'a [Decision]) -> Vec<Self> {
        let mut flags: Vec<Self> = Vec::with_capacity(decisions.len());
        let mut places: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for decision in decisions {
            let Some(e) = plan.experiments.get(decision.experiment) else { continue };
            let flag = Self { plan, e, decision };
            let place = *places.entry(flag.key()).or_insert(flags.len());
            match flags.get_mut(place) {
                None => flags.push(flag),
                Some(earlier) if flag.rank() > earlier.rank() => *earlier = flag,
                Some(_) => {}
            }
        }
        flags
    }

    /// The decision behind it.
    #[must_use]
    pub fn decision(&self) -> &'a Decision {
        self.decision
    }

    fn key(&self) -> &'a str {
        self.e.key.as_deref().unwrap_or(&self.e.id)
    }

    /// How much a decision says: which of those that share a key speaks for it.
    fn rank(&self) -> u8 {
        match self.decision.reason {
            reason if reason.acts() => 2,
            reason if is_off(reason) => 0,
            _ => 1,
        }
    }

    /// Its answer, appended to `out`.
    pub fn write(&self, out: &mut String) {
        let from = out.len();
        let reason = self.decision.reason;
        out.push('{');
        answer::text("key", self.key(), out);
        if is_off(reason) {
            answer::text("reason", "DISABLED", out);
            self.metadata(out);
            out.push('}');
            return;
        }
        let variant = self.decision.variant.unwrap_or(VariantAt::CONTROL);
        let Some(variant) = self.e.variants.get(variant) else {
            out.truncate(from);
            return;
        };
        match value(self.e, variant) {
            Ok(value) => {
                answer::json("value", &value, out);
                answer::text("reason", word(reason), out);
                answer::text("variant", variant.key.as_deref().unwrap_or(&variant.id), out);
            }
            Err(details) => {
                answer::text("errorCode", ErrorCode::General.as_str(), out);
                answer::text("errorDetails", &details, out);
            }
        }
        self.metadata(out);
        out.push('}');
    }

    /// Whether its value can be told at all.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        let variant = self.e.variants.get(self.decision.variant.unwrap_or(VariantAt::CONTROL));
        !is_off(self.decision.reason) && variant.is_none_or(|variant| value(self.e, variant).is_err())
    }

    fn metadata(&self, out: &mut String) {
        let mut inner = String::from("{");
        answer::text("experiment", &self.e.id, &mut inner);
        answer::json("iteration", &self.e.iteration.to_string(), &mut inner);
        if let Some(variant) = self.decision.variant.and_then(|variant| self.e.variants.get(variant)) {
            answer::text("variant", &variant.id, &mut inner);
        }
        answer::text("revision", &self.plan.revision, &mut inner);
        answer::text("reason", self.decision.reason.as_str(), &mut inner);
        inner.push('}');
        answer::json("metadata", &inner, out);
    }
}

/// Whether the experiment is off, so that a client uses its own default.
fn is_off(reason: Reason) -> bool {
    use Reason::{Completed, Draft, Ended, Killed, Paused, Scheduled};
    matches!(reason, Draft | Scheduled | Paused | Ended | Completed | Killed)
}

/// OpenFeature's word for a reason.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Split | Reason::Sticky => "SPLIT",
        Reason::Forced => "TARGETING_MATCH",
        Reason::Winner => "STATIC",
        reason if is_off(reason) => "DISABLED",
        _ => "DEFAULT",
    }
}

/// A variant's value as JSON: its payload, or whether it is on, or its id.
///
/// # Errors
///
/// Where the payload is of a kind that OFREP has no flag for.
fn value(e: &Experiment, variant: &Variant) -> Result<String, String> {
    if let Some(payload) = &variant.payload {
        return match payload.bytes().next() {
            Some(b'[') => Err(format!("the payload of variant `{}` is a list, and a flag's value is none", variant.id)),
            Some(b'n') => Err(format!("the payload of variant `{}` is null, and a flag's value is not", variant.id)),
            _ => Ok((**payload).to_owned()),
        };
    }
    let are = |on: &str, off: &str| {
        e.variants.iter().all(|one| *one.id == *on || *one.id == *off) && (*variant.id == *on || *variant.id == *off)
    };
    if are("on", "off") || are("true", "false") {
        return Ok((*variant.id == *"on" || *variant.id == *"true").to_string());
    }
    let mut out = String::new();
    answer::quoted(&variant.id, &mut out);
    Ok(out)
}

/// The answer of a bulk evaluation.
#[must_use]
pub fn bulk(plan: &Plan, decisions: &[Decision]) -> String {
    let mut out = String::with_capacity(64 + decisions.len() * 192);
    out.push_str("{\"flags\":[");
    for (place, flag) in Flag::all(plan, decisions).iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        flag.write(&mut out);
    }
    out.push_str("],\"metadata\":{");
    answer::text("revision", &plan.revision, &mut out);
    out.push_str("}}");
    out
}
