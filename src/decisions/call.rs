//! A call from its path and body to its answer: status, headers, body. What lies between, the decisions, is asked of
//! whoever knows the caller.

use super::ask::{Ask, Asked};
use super::caller::{Caller, Refusal};
use super::choose::{self, Choose};
use super::context::Units;
use super::ofrep::{self, Failure, Flag, Ofrep, Reading};
use super::{ErrorCode, answer};
use crate::decide::{Decision, Reason};
use crate::document::{Kind, UnitKind};
use crate::events::personal::{NOT_OPAQUE, is_personal};
use crate::execution::shared::is_known;
use crate::hash;
use crate::plan::{Experiment, Plan};
use crate::visit::encode_reply;
use crate::visitor::{self, VisitorId};
use serde_json::{Map, Value};

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `ofrep/v1/evaluate/flags/{key}`.
    Flag(String),
    /// `ofrep/v1/evaluate/flags`.
    Flags,
    /// `choose`.
    Choose,
}

impl Route {
    /// The route of a path behind `/_sortition/`.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        if path == "choose" {
            return Some(Self::Choose);
        }
        match path.strip_prefix("ofrep/v1/evaluate/flags")? {
            "" => Some(Self::Flags),
            rest => {
                rest.strip_prefix('/').filter(|key| !key.is_empty()).map(|key| Self::Flag(crate::url::decode_path(key)))
            }
        }
    }

    /// Whether clients ask for it again and again.
    #[must_use]
    pub fn is_polled(&self) -> bool {
        !matches!(self, Self::Flag(_))
    }

    /// Its path behind `/_sortition/`, as far as it says what is asked.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Flag(key) => key,
            Self::Flags => "flags",
            Self::Choose => "choose",
        }
    }

    /// The longest body, in bytes.
    #[must_use]
    pub fn longest_body(&self) -> usize {
        match self {
            Self::Choose => 1 << 20,
            _ => 64 << 10,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: String,
}

impl CallAnswer {
    fn json(status: u16, body: String) -> Self {
        let headers = vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body }
    }

    /// The answer to a caller who has it already.
    #[must_use]
    pub fn unchanged(plan: &Plan, tag: &str) -> Self {
        let mut answer = Self { status: 304, ..Self::default() };
        answer.validate(plan, tag);
        answer
    }

    fn validate(&mut self, plan: &Plan, tag: &str) {
        let caching = format!("private, max-age={}", plan.api.max_age_seconds);
        self.headers.extend([("etag", tag.to_owned()), ("cache-control", caching)]);
    }

    /// It as text, for `edge/decode.js`.
    #[must_use]
    pub fn encode(&self) -> String {
        encode_reply(self.status, &self.body, &self.headers)
    }

    /// Its entity tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| *name == "etag").map(|(_, value)| value.as_str())
    }

    fn problem(status: u16, title: &str, path: &str, detail: &str) -> Self {
        let detail = if path.is_empty() { detail.to_owned() } else { format!("{path}: {detail}") };
        let mut out = String::from("{\"type\":\"about:blank\"");
        answer::json("status", &status.to_string(), &mut out);
        answer::text("title", title, &mut out);
        answer::text("detail", &detail, &mut out);
        if !path.is_empty() {
            answer::text("field", path, &mut out);
        }
        out.push('}');
        let headers =
            vec![("content-type", "application/problem+json".to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: out }
    }

    /// With what a page of another site needs to read it.
    #[must_use]
    pub fn for_origin(mut self, caller: Caller<'_>) -> Self {
        if let Caller::OtherSite(origin) = caller {
            self.headers.push(("access-control-allow-origin", origin.to_owned()));
            self.headers.push(("access-control-expose-headers", "ETag, Retry-After".to_owned()));
        }
        self.headers.push(("vary", "Origin".to_owned()));
        self
    }
}

/// Whether the caller may ask at all, as an answer to a browser that asks beforehand (a preflight of CORS).
#[must_use]
pub fn preflight(caller: Result<Caller<'_>, Refusal>) -> CallAnswer {
    let mut answer = CallAnswer { status: 204, ..CallAnswer::default() };
    if let Ok(Caller::OtherSite(origin)) = caller {
        let allowed = "Content-Type, If-None-Match";
        answer.headers.extend([
            ("access-control-allow-origin", origin.to_owned()),
            ("access-control-allow-methods", "POST".to_owned()),
            ("access-control-allow-headers", allowed.to_owned()),
            ("access-control-max-age", "600".to_owned()),
        ]);
    }
    answer.headers.push(("vary", "Origin".to_owned()));
    answer
}

/// The answer to a caller who may not ask.
#[must_use]
pub fn refused(route: &Route, refusal: Refusal) -> CallAnswer {
    let title = if refusal == Refusal::Unauthorized { "Unauthorized" } else { "Forbidden" };
    let mut answer = plain(route, refusal.status(), title, refusal.detail());
    if refusal == Refusal::Unauthorized {
        answer.headers.push(("www-authenticate", "Bearer realm=\"Sortition\"".to_owned()));
    }
    answer
}

/// The answer to a caller who must wait, in seconds.
#[must_use]
pub fn must_wait(route: &Route, seconds: u32) -> CallAnswer {
    let mut answer = plain(route, 429, "Too many requests", "wait as Retry-After says, then ask again");
    answer.headers.push(("retry-after", seconds.to_string()));
    answer
}

/// The answer where the body is longer than [`Route::longest_body`].
#[must_use]
pub fn too_long(route: &Route) -> CallAnswer {
    let detail = format!("the body is longer than {} KiB: ask for less at a time", route.longest_body() >> 10);
    match route {
        Route::Choose => CallAnswer::problem(413, "Content too large", "", &detail),
        _ => failure(route, &Failure::new(ErrorCode::ParseError, detail)),
    }
}

/// The answer while there is no document.
#[must_use]
pub fn unconfigured(route: &Route) -> CallAnswer {
    plain(route, 503, "Service unavailable", "there is no experiment document yet: push one, then ask again")
}

/// OFREP's bodies are its own; everywhere else errors are RFC 9457's.
fn plain(route: &Route, status: u16, title: &str, detail: &str) -> CallAnswer {
    if *route == Route::Choose {
        return CallAnswer::problem(status, title, "", detail);
    }
    let mut out = String::from("{");
    answer::text("errorDetails", detail, &mut out);
    out.push('}');
    CallAnswer::json(status, out)
}

fn failure(route: &Route, failure: &Failure) -> CallAnswer {
    let key = if let Route::Flag(key) = route { Some(key.as_str()) } else { None };
    CallAnswer::json(failure.status(), failure.to_json(key))
}

/// A call that was understood: what is asked, and for whom.
#[derive(Clone, Debug)]
pub struct Call {
    route: Route,
    asked: Asked,
    url: Option<String>,
    expose: bool,
    choose: Option<Choose>,
    of_flag: Option<(Units, Map<String, Value>)>,
}

impl Call {
    /// Reads a call.
    ///
    /// # Errors
    ///
    /// The answer that says what is wrong.
    pub fn read(plan: &Plan, route: Route, caller: Caller<'_>, text: &str) -> Result<Self, CallAnswer> {
        let reading = match caller {
            Caller::Server => Reading::Believed,
            Caller::Browser => Reading::Cookies,
            Caller::OtherSite(_) => Reading::Visitor,
        };
        let is_nobody = |units: &Units| {
            let id = units.visitor.as_deref().filter(|_| reading == Reading::Visitor);
            id.is_some_and(|id| visitor::named(&plan.visitor, id).is_none())
        };
        if route == Route::Choose {
            let bad = |path: &str, detail: &str| CallAnswer::problem(400, "Bad request", path, detail);
            let choose = Choose::parse(text, reading).map_err(|field| bad(&field.path, &field.message))?;
            if let Some(place) = choose.choices.iter().position(|one| is_nobody(&one.units)) {
                return Err(bad(&choose.path_of(place, "visitor"), visitor::no_visitor_id(&plan.visitor)));
            }
            let asked = choose.ask.find(plan).map_err(|unknown| bad(&unknown.path, &unknown.message))?;
            let (url, expose) = (choose.url.clone(), choose.expose);
            return Ok(Self { route, asked, url, expose, choose: Some(choose), of_flag: None });
        }
        let ofrep = Ofrep::parse(text, reading).map_err(|wrong| failure(&route, &wrong))?;
        if is_nobody(&ofrep.units) {
            let details = format!("context.targetingKey: {}", visitor::no_visitor_id(&plan.visitor));
            return Err(failure(&route, &Failure::new(ErrorCode::InvalidContext, details)));
        }
        let asked = match &route {
            Route::Flag(key) => Ofrep::flag(plan, key).map_err(|wrong| failure(&route, &wrong))?,
            _ => Ask::default().find(plan).unwrap_or(Asked(Vec::new())),
        };
        // why: a bulk evaluation asks for everything, of which hardly anything is shown
        let expose = ofrep.expose && matches!(route, Route::Flag(_));
        let of_flag = Some((ofrep.units, ofrep.attributes));
        Ok(Self { route, asked, url: ofrep.url, expose, choose: None, of_flag })
    }

    /// The experiments that are asked for.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The page that is meant, if one is.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Whether anything of the answer may count as met.
    #[must_use]
    pub fn may_expose(&self) -> bool {
        self.expose
    }

    /// Whom it is asked for, with what is said of them: one, or those of a batch.
    pub fn units(&self) -> impl Iterator<Item = (&Units, &Map<String, Value>)> {
        let of_choose =
            self.choose.iter().flat_map(|choose| choose.choices.iter().map(|one| (&one.units, &one.attributes)));
        let of_flag = self.of_flag.iter().map(|(units, attributes)| (units, attributes));
        of_choose.chain(of_flag)
    }

    /// Whether a decision is to be recorded as an exposure.
    #[must_use]
    pub fn exposes(&self, plan: &Plan, decision: &Decision) -> bool {
        let is_experiment = plan.experiments.get(decision.experiment).is_some_and(|e| e.kind == Kind::Experiment);
        self.expose && is_experiment && matches!(decision.reason, Reason::Split | Reason::Sticky)
    }

    /// Why the call cannot be recorded, where it asks for that: an id that must not reach the record, or that nobody could
    /// report an outcome of.
    ///
    /// # Errors
    ///
    /// The answer that says so, with the field.
    pub fn check_recordable(&self, plan: &Plan) -> Result<(), CallAnswer> {
        if !self.expose {
            return Ok(());
        }
        for (place, (units, context)) in self.units().enumerate() {
            let Some((id, message)) = self.unrecordable(plan, units) else { continue };
            return Err(match &self.choose {
                Some(choose) => CallAnswer::problem(400, "Bad request", &choose.path_of(place, id), message),
                None => {
                    let own = format!("{id}_id");
                    let field = if context.contains_key(&own) { own } else { "targetingKey".to_owned() };
                    let wrong = Failure::new(ErrorCode::InvalidContext, format!("context.{field}: {message}"));
                    failure(&self.route, &wrong)
                }
            });
        }
        Ok(())
    }

    /// The id that stands in the way, and why.
    fn unrecordable(&self, plan: &Plan, units: &Units) -> Option<(&'static str, &'static str)> {
        let ids = [("visitor", &units.visitor), ("user", &units.user), ("session", &units.session)];
        let is_private = |(_, id): &(&str, &Option<String>)| id.as_deref().is_some_and(is_personal);
        if let Some((id, _)) = ids.into_iter().find(is_private) {
            return Some((id, NOT_OPAQUE));
        }
        // why: OFREP's key is the id of whichever unit an experiment has, so it need not be all of them
        let assigns = |kind: UnitKind| {
            let is_of = |e: &Experiment| e.unit == kind || (e.else_unit == Some(kind) && units.user.is_none());
            self.asked.0.iter().filter_map(|&at| plan.experiments.get(at)).any(is_of)
        };
        let is_wrong = |id: &Option<String>, takes: &dyn Fn(&str) -> bool| id.as_deref().is_some_and(|id| !takes(id));
        if assigns(UnitKind::Visitor) && is_wrong(&units.visitor, &|id| visitor::named(&plan.visitor, id).is_some()) {
            return Some(("visitor", visitor::no_visitor_id(&plan.visitor)));
        }
        (assigns(UnitKind::Session) && is_wrong(&units.session, &|id| VisitorId::accept(id).is_some()))
            .then(|| ("session", visitor::no_session_id()))
    }

    /// The answer, by the decisions for each of [`Call::units`]; an empty one where the caller has the same already.
    #[must_use]
    pub fn answer(&self, plan: &Plan, decided: &[(Units, Vec<Decision>)], if_none_match: Option<&str>) -> CallAnswer {
        let body = match (&self.route, &self.choose, decided.first()) {
            (Route::Choose, Some(choose), _) => choose::answered(plan, choose, decided),
            (Route::Flags, _, Some((_, decisions))) => ofrep::bulk(plan, decisions),
            (Route::Flag(_), _, Some((_, decisions))) => return self.of_flag(plan, decisions, if_none_match),
            _ => String::from("{}"),
        };
        self.tagged(plan, body, if_none_match)
    }

    fn of_flag(&self, plan: &Plan, decisions: &[Decision], if_none_match: Option<&str>) -> CallAnswer {
        let mut out = String::new();
        let flags = Flag::all(plan, decisions);
        let Some(flag) = flags.first() else { return CallAnswer::json(500, String::from("{}")) };
        flag.write(&mut out);
        if flag.is_failure() {
            return CallAnswer::json(400, out);
        }
        self.tagged(plan, out, if_none_match)
    }

    fn tagged(&self, plan: &Plan, body: String, if_none_match: Option<&str>) -> CallAnswer {
        // why: the body is the revision and the decisions, the kill among their reasons, and nothing else
        let tag = ["\"", &hash::event_id(&["answer", &body]), "\""].concat();
        if is_known(Some(&tag), if_none_match) {
            return CallAnswer::unchanged(plan, &tag);
        }
        let mut answer = CallAnswer::json(200, body);
        answer.headers.retain(|(name, _)| *name != "cache-control");
        answer.validate(plan, &tag);
        answer
    }
}

/// How many wrong tokens were tried in a minute: after [`WrongTokens::MOST`] of them nobody's is looked at for the rest
/// of it, except the right one.
#[derive(Clone, Copy, Debug, Default)]
pub struct WrongTokens {
    since: i64,
    tries: u32,
}

impl WrongTokens {
    /// The most tries of a minute.
    pub const MOST: u32 = 20;

    /// Takes note of a wrong token at a time in milliseconds since 1970; the seconds to wait where there were too many.
    pub fn note(&mut self, now: i64) -> Option<u32> {
        const MINUTE: i64 = 60_000;
        if now.saturating_sub(self.since) >= MINUTE || now < self.since {
            *self = Self { since: now, tries: 0 };
        }
        self.tries = self.tries.saturating_add(1);
        let left = (self.since.saturating_add(MINUTE).saturating_sub(now)).div_euclid(1000).clamp(1, 60);
        (self.tries > Self::MOST).then(|| u32::try_from(left).unwrap_or(60))
    }
}

/// The body as text.
///
/// # Errors
///
/// The answer that says that it is none.
pub fn text_of<'a>(route: &Route, bytes: &'a [u8]) -> Result<&'a str, CallAnswer> {
    std::str::from_utf8(bytes).map_err(|_| match route {
        Route::Choose => CallAnswer::problem(400, "Bad request", "", "the body is no UTF-8"),
        _ => failure(route, &Failure::new(ErrorCode::ParseError, "the body is no UTF-8")),
    })
}
