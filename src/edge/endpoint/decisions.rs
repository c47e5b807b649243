//! `POST ofrep/v1/evaluate/flags…`, `POST choose`: decisions for what is not a page.

mod browser;

use super::ingest::{read, send};
use super::people;
use crate::decisions::{
    self, Call, CallAnswer, CallKey, Caller, Credentials, Refusal, Route, Unchanged, WrongTokens, decide_for_server,
    who_asks,
};
use crate::edge::isolate::{self, Loaded};
use crate::events::{CalledBy, Event, PageView, called_exposure};
use crate::execution::shared::is_known;
use crate::facts::PROPERTIES;
use crate::person::object_name;
use crate::url::Url;
use browser::{Decided, decide_for_browser};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::{Context, Env, Headers, Request, Response, Result};

thread_local! {
    static WRONG_TOKENS: RefCell<WrongTokens> = RefCell::default();
    static UNCHANGED: RefCell<Unchanged<Loaded>> = RefCell::default();
}

#[wasm_bindgen(module = "/src/edge/body.js")]
unsafe extern "C" {
    /// What a browser's call is decided by, beside its body; `properties`: those of Cloudflare's that may be read.
    fn surroundings(request: &JsValue, properties: &str) -> String;
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
    loaded: &Rc<Loaded>,
) -> Result<CallAnswer> {
    let plan = &loaded.plan;
    let Some(bytes) = read(request, route.longest_body()).await? else { return Ok(decisions::too_long(&route)) };
    let text = match decisions::text_of(&route, &bytes) {
        Ok(text) => text,
        Err(answer) => return Ok(answer),
    };
    let if_none_match = request.headers().get("if-none-match")?;
    let now = now();
    let key = route.is_polled().then(|| {
        let around = match caller {
            Caller::Server => String::new(),
            _ => surroundings(request.inner().as_ref(), &PROPERTIES.join(",")),
        };
        CallKey::of(&[route.name(), &around, text])
    });
    if let Some(tag) = key.and_then(|key| UNCHANGED.with_borrow(|it| it.tag(loaded, key, now).map(str::to_owned)))
        && is_known(Some(&tag), if_none_match.as_deref())
    {
        isolate::with(|isolate| isolate.unchanged += 1);
        return Ok(CallAnswer::unchanged(plan, &tag));
    }
    let call = Call::read(plan, route, caller, text).and_then(|call| call.check_recordable().map(|()| call));
    let call = match call {
        Ok(call) => call,
        Err(answer) => return Ok(answer),
    };
    let mut decided: Vec<Decided> = Vec::new();
    if caller == Caller::Server {
        let known = people::known_of(plan, &call, env, now).await;
        for ((units, attributes), known) in call.units().zip(&known) {
            let decisions = decide_for_server(plan, call.asked(), (units, attributes), call.url(), known, now);
            let met = decisions.iter().filter(|decision| call.exposes(plan, decision));
            let news = units.user.as_deref().and_then(|user| {
                let shown = decisions::shown(plan, user, known, met, now);
                (!shown.is_empty()).then(|| (object_name(&plan.project, user), shown))
            });
            let is_fleeting = isolate::with(|it| it.has_people).unwrap_or(false)
                && units.user.is_some()
                && decisions::depends_on_people(plan, call.asked());
            decided.push(Decided { units: units.clone(), decisions, news, is_fleeting, ..Decided::default() });
        }
    } else {
        for (units, attributes) in call.units() {
            decided.push(decide_for_browser(request, env, loaded, &call, (units, attributes, caller), now).await);
        }
    }
    let mut exposures: Vec<Event> = Vec::new();
    if call.may_expose() {
        let view = view_of(&call);
        for Decided { units, decisions, .. } in &decided {
            let (visitor, user) = (units.visitor.as_deref(), units.user.as_deref());
            let who = CalledBy { visitor, user, session: units.session.as_deref() };
            let exposed = decisions.iter().filter(|decision| call.exposes(plan, decision));
            exposures.extend(exposed.filter_map(|decision| called_exposure(plan, decision, who, now, &view)));
        }
    }
    send(&exposures, env, context);
    let is_fleeting = call.may_expose() || decided.iter().any(|one| one.is_fleeting || !one.cookies.is_empty());
    let (mut cookies, mut news, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for one in decided {
        cookies.extend(one.cookies);
        news.extend(one.news);
        answers.push((one.units, one.decisions));
    }
    people::tell(news, env, context);
    let mut answer = call.answer(plan, &answers, if_none_match.as_deref());
    if let (Some(key), Some(tag), false) = (key, answer.tag(), is_fleeting) {
        UNCHANGED.with_borrow_mut(|it| it.remember(loaded, key, tag, decisions::holds_until(plan, now)));
    }
    answer.headers.extend(cookies.into_iter().map(|cookie| ("set-cookie", cookie)));
    Ok(answer)
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
