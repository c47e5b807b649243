//! `POST ofrep/v1/evaluate/flags…`, `POST choose`: decisions for what is not a page.

mod browser;

use super::ingest::send;
use super::people;
use crate::decisions::{
    self, Call, CallAnswer, CallKey, Caller, Credentials, Refusal, Route, Unchanged, WrongTokens, decide_for_server,
    who_asks,
};
use crate::edge::isolate::{self, Loaded};
use crate::events::{CalledBy, Event, PageView, called_exposure, waited_exposure};
use crate::execution::shared::is_known;
use crate::facts::PROPERTIES;
use crate::person::object_name;
use crate::url::Url;
use browser::{Decided, decide_for_browser};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{self, Poll, Waker};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use worker::{Context, Env, web_sys};

thread_local! {
    static WRONG_TOKENS: RefCell<WrongTokens> = RefCell::default();
    static UNCHANGED: RefCell<Unchanged<Loaded>> = RefCell::default();
}

#[wasm_bindgen(module = "/src/edge/body.js")]
unsafe extern "C" {
    /// What a browser's call is decided by, beside its body; `properties`: those of Cloudflare's that may be read.
    fn surroundings(request: &JsValue, properties: &str) -> String;
}

/// Who sends a call, or why it is refused.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A server that knows the token.
    Server,
    /// A browser on a page of this site.
    Browser,
    /// A browser on a page of another site that may ask.
    OtherSite,
    /// It does not say who it is.
    Unauthorized,
    /// The token is another.
    WrongToken,
    /// A page of a site that may not ask.
    Forbidden,
    /// There is no document.
    Unconfigured,
}

/// Tells who sends a call, by its headers, its URL and the secret `API_TOKEN`. Nothing of the body is read for those who
/// may not ask: these stand behind [`Standing::OtherSite`].
#[wasm_bindgen]
pub fn standing(
    authorization: Option<String>,
    api_key: Option<String>,
    origin: Option<String>,
    fetch_site: Option<String>,
    url: &str,
    token: Option<String>,
) -> Standing {
    let Some(loaded) = isolate::loaded() else { return Standing::Unconfigured };
    let own = Url::split(url);
    let own_origin = [own.scheme, "://", own.host].concat();
    let sent = Credentials {
        authorization: authorization.as_deref(),
        api_key: api_key.as_deref(),
        origin: origin.as_deref(),
        fetch_site: fetch_site.as_deref(),
        own_origin: &own_origin,
    };
    match who_asks(&sent, token.as_deref(), &loaded.plan.api.cors_origins) {
        Ok(Caller::Server) => Standing::Server,
        Ok(Caller::Browser) => Standing::Browser,
        Ok(Caller::OtherSite(_)) => Standing::OtherSite,
        Err(Refusal::Forbidden) => Standing::Forbidden,
        Err(Refusal::Unauthorized) if authorization.is_some() || api_key.is_some() => Standing::WrongToken,
        Err(Refusal::Unauthorized) => Standing::Unauthorized,
    }
}

/// How long the body of a call may be, by its path behind `/_sortition/`, in bytes; 0 where it is no call.
#[wasm_bindgen]
pub fn longest_body(path: &str) -> u32 {
    Route::of(path).map_or(0, |route| u32::try_from(route.longest_body()).unwrap_or(u32::MAX))
}

/// Answers a call, by its path behind `/_sortition/` and who sends it: as the text of [`CallAnswer::encode`], or, where
/// somebody has to be asked first, as a promise of it. `body` is absent where it is too long.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub fn call(
    path: &str,
    standing: Standing,
    is_preflight: bool,
    origin: Option<String>,
    if_none_match: Option<String>,
    body: Option<Vec<u8>>,
    request: web_sys::Request,
    env: Env,
    context: worker::worker_sys::Context,
) -> JsValue {
    let route = Route::of(path).unwrap_or(Route::Flags);
    if let Some(answer) = answered_without_body(&route, standing, origin.as_deref(), is_preflight) {
        return answer.encode().into();
    }
    let Some(loaded) = isolate::loaded() else { return decisions::unconfigured(&route).encode().into() };
    let asked = Question { request, env, context: Context::new(context), if_none_match };
    let mut answer = Box::pin(async move {
        // why: whoever may not ask is answered above
        let caller = caller_of(standing, origin.as_deref()).unwrap_or(Caller::Browser);
        answered(&asked, route, caller, &loaded, body).await.for_origin(caller).encode()
    });
    // why: a promise costs more than most answers do, and nearly all of them are ready at once
    match answer.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(text) => text.into(),
        Poll::Pending => future_to_promise(async move { Ok(answer.await.into()) }).into(),
    }
}

/// What a call is asked with, beside its body.
struct Question {
    request: web_sys::Request,
    env: Env,
    context: Context,
    if_none_match: Option<String>,
}

fn caller_of(standing: Standing, origin: Option<&str>) -> core::result::Result<Caller<'_>, Refusal> {
    match standing {
        Standing::Server => Ok(Caller::Server),
        Standing::Browser => Ok(Caller::Browser),
        Standing::OtherSite => Ok(Caller::OtherSite(origin.unwrap_or_default())),
        Standing::Forbidden => Err(Refusal::Forbidden),
        Standing::Unauthorized | Standing::WrongToken | Standing::Unconfigured => Err(Refusal::Unauthorized),
    }
}

/// The answer to who may not ask, or asks only whether it may.
fn answered_without_body(
    route: &Route,
    standing: Standing,
    origin: Option<&str>,
    is_preflight: bool,
) -> Option<CallAnswer> {
    let caller = caller_of(standing, origin);
    if standing == Standing::Unconfigured {
        return Some(decisions::unconfigured(route));
    }
    if is_preflight {
        return Some(decisions::preflight(caller));
    }
    let refusal = caller.err()?;
    let is_try = standing == Standing::WrongToken;
    let waits = is_try.then(|| WRONG_TOKENS.with_borrow_mut(|tries| tries.note(now()))).flatten();
    Some(match waits {
        Some(seconds) => decisions::must_wait(route, seconds),
        None => decisions::refused(route, refusal),
    })
}

async fn answered(
    asked: &Question,
    route: Route,
    caller: Caller<'_>,
    loaded: &Rc<Loaded>,
    body: Option<Vec<u8>>,
) -> CallAnswer {
    let plan = &loaded.plan;
    let Question { request, env, context, if_none_match } = asked;
    let Some(bytes) = body else { return decisions::too_long(&route) };
    let text = match decisions::text_of(&route, &bytes) {
        Ok(text) => text,
        Err(answer) => return answer,
    };
    let now = now();
    let key = route.is_polled().then(|| {
        let around = match caller {
            Caller::Server => String::new(),
            _ => surroundings(request.as_ref(), &PROPERTIES.join(",")),
        };
        CallKey::of(&[route.name(), &around, text])
    });
    if let Some(tag) = key.and_then(|key| UNCHANGED.with_borrow(|it| it.tag(loaded, key, now).map(str::to_owned)))
        && is_known(Some(&tag), if_none_match.as_deref())
    {
        isolate::with(|isolate| isolate.unchanged += 1);
        return CallAnswer::unchanged(plan, &tag);
    }
    let call = Call::read(plan, route, caller, text).and_then(|call| call.check_recordable(plan).map(|()| call));
    let call = match call {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    let mut decided: Vec<Decided> = Vec::new();
    if caller == Caller::Server {
        let known = people::known_of(plan, &call, env, now).await;
        for ((units, attributes), known) in call.units().zip(&known) {
            let decisions = decide_for_server(plan, call.asked(), (units, attributes), call.url(), known, now);
            let met: Vec<usize> = (0..decisions.len())
                .filter(|&position| decisions.get(position).is_some_and(|decision| call.exposes(plan, decision)))
                .collect();
            let shown = met.iter().filter_map(|&position| decisions.get(position));
            let news = units.user.as_deref().and_then(|user| {
                let shown = decisions::shown(plan, user, known, shown, now);
                (!shown.is_empty()).then(|| (object_name(&plan.project, user), shown))
            });
            let is_fleeting = isolate::with(|it| it.has_people).unwrap_or(false)
                && units.user.is_some()
                && decisions::depends_on_people(plan, call.asked());
            let units = units.clone();
            decided.push(Decided { units, met, decisions, news, is_fleeting, ..Decided::default() });
        }
    } else {
        for (units, attributes) in call.units() {
            decided.push(decide_for_browser(request, env, loaded, &call, (units, attributes, caller), now).await);
        }
    }
    let mut exposures: Vec<Event> = Vec::new();
    if call.may_expose() {
        let view = view_of(&call);
        for Decided { units, met, besides, decisions, .. } in &decided {
            let (visitor, user) = (units.visitor.as_deref(), units.user.as_deref());
            let who = CalledBy { visitor, user, session: units.session.as_deref() };
            exposures.extend(besides.iter().filter_map(|one| waited_exposure(plan, one, who, now, &view)));
            let exposed = met.iter().filter_map(|&position| decisions.get(position));
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
    answer
}

/// What is kept of the page that is meant; nothing of the call itself.
fn view_of(call: &Call) -> PageView {
    let url = call.url().map(Url::split);
    PageView {
        host: url.map_or_else(String::new, |url| url.host_name().to_owned()),
        path: url.map_or_else(String::new, |url| crate::events::personal::clean_path(url.path).into_owned()),
        method: "POST".to_owned(),
        ..PageView::default()
    }
}

#[allow(clippy::cast_possible_truncation)]
fn now() -> i64 {
    js_sys::Date::now() as i64
}
