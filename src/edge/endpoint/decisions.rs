//! `POST ofrep/v1/evaluate/flags…`, `POST choose`: decisions for what is not a page.

use super::ingest::{read, send};
use crate::decide::{Asker, Decision, Person};
use crate::decisions::{
    self, BrowserContext, Call, CallAnswer, Caller, Credentials, Refusal, Route, Units, WrongTokens, decide_call,
    decide_for_server, who_asks,
};
use crate::edge::isolate::{self, Loaded};
use crate::edge::source::Incoming;
use crate::edge::visit::recognised;
use crate::events::{CalledBy, Event, PageView, called_exposure};
use crate::execution::called;
use crate::facts::{Facts, Identity, Request as Facted};
use crate::plan::Plan;
use crate::sender::Sender;
use crate::url::Url;
use crate::visitor::Consented;
use crate::visitor::assignments::Assignments;
use serde_json::{Map, Value};
use std::cell::RefCell;
use worker::{Context, Env, Headers, Request, Response, Result};

thread_local! {
    static WRONG_TOKENS: RefCell<WrongTokens> = RefCell::default();
}

/// Answers a call.
pub(super) async fn answer(request: &Request, env: &Env, context: &Context, route: Route) -> Result<Response> {
    let headers = request.headers();
    let (authorization, api_key) = (headers.get("authorization")?, headers.get("x-api-key")?);
    let (origin, fetch_site) = (headers.get("origin")?, headers.get("sec-fetch-site")?);
    let url = request.inner().url();
    let own = Url::split(&url);
    let own_origin = [own.scheme, "://", own.host].concat();
    let sent = Credentials {
        authorization: authorization.as_deref(),
        api_key: api_key.as_deref(),
        origin: origin.as_deref(),
        fetch_site: fetch_site.as_deref(),
        own_origin: &own_origin,
    };
    let token = env.secret("API_TOKEN").ok().map(|token| token.to_string());
    let Some(loaded) = isolate::loaded() else { return respond(decisions::unconfigured(&route)) };
    let caller = who_asks(&sent, token.as_deref(), &loaded.plan.api.cors_origins);
    if request.inner().method() == "OPTIONS" {
        return respond(decisions::preflight(caller));
    }
    let caller = match caller {
        Ok(caller) => caller,
        Err(refusal) => {
            let tried = authorization.is_some() || api_key.is_some();
            let waits =
                (refusal == Refusal::Unauthorized && tried).then(|| WRONG_TOKENS.with_borrow_mut(|it| it.note(now())));
            return respond(match waits.flatten() {
                Some(seconds) => decisions::must_wait(&route, seconds),
                None => decisions::refused(&route, refusal),
            });
        }
    };
    let answer = answered(request, env, context, route, caller, &loaded).await?;
    respond(answer.for_origin(caller))
}

async fn answered(
    request: &Request,
    env: &Env,
    context: &Context,
    route: Route,
    caller: Caller<'_>,
    loaded: &Loaded,
) -> Result<CallAnswer> {
    let plan = &loaded.plan;
    let Some(bytes) = read(request, route.longest_body()).await? else { return Ok(decisions::too_long(&route)) };
    let call = decisions::text_of(&route, &bytes).and_then(|text| {
        let call = Call::read(plan, route.clone(), caller, text)?;
        call.check_recordable().map(|()| call)
    });
    let call = match call {
        Ok(call) => call,
        Err(answer) => return Ok(answer),
    };
    let if_none_match = request.headers().get("if-none-match")?;
    let now = now();
    let mut cookies = Vec::new();
    let mut exposures: Vec<Event> = Vec::new();
    let mut decided: Vec<(Units, Vec<Decision>)> = Vec::new();
    for (units, attributes) in call.units() {
        let one = match caller {
            Caller::Server => {
                let nothing = Assignments::default();
                let decisions = decide_for_server(plan, call.asked(), (units, attributes), call.url(), &nothing, now);
                (units.clone(), decisions)
            }
            Caller::Browser | Caller::OtherSite(_) => {
                browser(request, loaded, &call, (units, attributes, caller), now, &mut cookies)
            }
        };
        let who = CalledBy {
            visitor: one.0.visitor.as_deref(),
            user: one.0.user.as_deref(),
            session: one.0.session.as_deref(),
        };
        let view = view_of(&call);
        let exposed = one.1.iter().filter(|decision| call.exposes(plan, decision));
        exposures.extend(exposed.filter_map(|decision| called_exposure(plan, decision, who, now, &view)));
        decided.push(one);
    }
    send(&exposures, env, context);
    let mut answer = call.answer(plan, &decided, if_none_match.as_deref());
    answer.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
    Ok(answer)
}

/// What a browser is told: identity, place and device are its request's.
fn browser(
    request: &Request,
    loaded: &Loaded,
    call: &Call,
    (units, attributes, caller): (&Units, &Map<String, Value>, Caller<'_>),
    now: i64,
    cookies: &mut Vec<String>,
) -> (Units, Vec<Decision>) {
    let plan: &Plan = &loaded.plan;
    let incoming = request.inner().as_ref();
    let source = Incoming::unseen(incoming);
    let own = request.inner().url();
    let meant = call.url().map(Url::split);
    let facted = Facted::new("GET", Url::split(&own), &source, &loaded.crawlers);
    let mut sender = recognised(plan, &call.asked().0, &facted, now);
    if let (Caller::OtherSite(_), Sender::Person(visitor)) = (caller, &mut sender) {
        // why: cookies do not travel there, so it says itself who is meant
        let said = units.visitor.as_deref().and_then(crate::visitor::VisitorId::accept);
        let Some(id) = said else { return (Units::default(), Vec::new()) };
        (visitor.id, visitor.user, visitor.session) = (id, None, None);
        visitor.assignments = Assignments::default();
        visitor.returning = true;
    }
    let identity = |visitor: &'static str| Identity { visitor, user: None, returning: false };
    match &sender {
        Sender::Crawler | Sender::NoConsent => {
            let facts =
                BrowserContext { facts: Facts { request: &facted, identity: identity("") }, url: meant, attributes };
            let page = meant.map_or_else(String::new, |url| [url.host, url.path].concat());
            let asker = if matches!(sender, Sender::Crawler) { Asker::Crawler(&page) } else { Asker::NoConsent };
            (Units::default(), decide_call(plan, call.asked(), meant, &facts, asker, now))
        }
        Sender::Person(visitor) => {
            let identity =
                Identity { visitor: visitor.id.as_str(), user: visitor.user.as_deref(), returning: visitor.returning };
            let facts = BrowserContext { facts: Facts { request: &facted, identity }, url: meant, attributes };
            let person = Person {
                visitor: visitor.id.as_str(),
                user: visitor.user.as_deref(),
                session: visitor.session.as_ref().map(|(id, _)| id.as_str()),
                assignments: &visitor.assignments,
                preview: &[],
            };
            let asker = match visitor.consent {
                Consented::OnlyEssential => Asker::Essential(person),
                Consented::All | Consented::Waits => Asker::Person(person),
            };
            let decisions = decide_call(plan, call.asked(), meant, &facts, asker, now);
            let consents = visitor.consent == Consented::All;
            let exposes = |decision: &Decision| consents && call.exposes(plan, decision);
            let followed = called(plan, visitor, (&decisions, exposes), &Url::split(&own), secret().as_deref(), now);
            if caller == Caller::Browser {
                cookies.extend(followed.cookies);
            }
            let units = Units {
                visitor: Some(visitor.id.as_str().to_owned()),
                user: visitor.user.clone(),
                session: visitor.session.as_ref().map(|(id, _)| id.as_str().to_owned()),
            };
            (units, decisions)
        }
    }
}

/// What is kept of the page that is meant; nothing of the call itself.
fn view_of(call: &Call) -> PageView {
    let url = call.url().map(Url::split);
    PageView {
        host: url.map_or_else(String::new, |url| url.host_name().to_owned()),
        path: url.map_or_else(String::new, |url| crate::events::personal::clean_path(url.path)),
        method: "POST".to_owned(),
        ..PageView::default()
    }
}

fn secret() -> Option<Vec<u8>> {
    isolate::with(|isolate| isolate.secret.clone()).flatten()
}

fn respond(answer: CallAnswer) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in &answer.headers {
        headers.append(name, value)?;
    }
    let response =
        if answer.body.is_empty() { Response::empty()? } else { Response::from_bytes(answer.body.into_bytes())? };
    Ok(response.with_status(answer.status).with_headers(headers))
}

#[allow(clippy::cast_possible_truncation)]
fn now() -> i64 {
    js_sys::Date::now() as i64
}
