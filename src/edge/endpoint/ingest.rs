//! `POST events`, `POST conversions`, `POST webhooks/shopify`: what outsiders report.

use super::people;
use super::{problem, problems};
use crate::edge::isolate::{self, Loaded, Secrets};
use crate::edge::secret::secret;
use crate::edge::sender::{entropy, recognised};
use crate::edge::source::Incoming;
use crate::events::limit::{Counts, Keys};
use crate::events::reception::{self, MAX_BODY, Page};
use crate::events::signature::Used;
use crate::events::{Channel, Event, PageView, page_view, shopify, signature};
use crate::execution::Intent;
use crate::facts::{Request as Facts, Source};
use crate::plan::ExperimentAt;
use crate::sender::{PreviewRequest, Sender, session_of};
use crate::url::Url;
use crate::visitor::{Consented, VisitorId, cookies};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::{Context, Env, Headers, Request, Response, Result};

/// A request without the word of its user agent on who sends it. Crawlers have no cookie of ours; whoever has one is the
/// visitor that the cookie names, also in a shop's own tool or app.
struct Anyone<'a>(&'a JsValue);

impl Source for Anyone<'_> {
    fn header(&self, name: &str) -> Option<String> {
        if name == "user-agent" { None } else { Incoming::unseen(self.0).header(name) }
    }

    fn property(&self, name: &str) -> Option<String> {
        if name == "verifiedBot" { None } else { Incoming::unseen(self.0).property(name) }
    }
}

#[wasm_bindgen(module = "/src/edge/body.js")]
unsafe extern "C" {
    #[wasm_bindgen(catch)]
    async fn body(request: &JsValue, limit: u32) -> core::result::Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = withinRate, catch)]
    async fn within_rate(keys: Vec<String>, env: &JsValue) -> core::result::Result<JsValue, JsValue>;
}

thread_local! {
    /// What pages sent to this isolate within the minute.
    static COUNTS: RefCell<Counts> = RefCell::default();
    /// The signatures of servers' requests that it accepted.
    static SIGNATURES: RefCell<Used> = RefCell::default();
}

// why: by its name and not by its path, for it numbers what is sent, and by the path it would be bundled a second time
#[wasm_bindgen(raw_module = "sortition-ship")]
unsafe extern "C" {
    #[wasm_bindgen(catch)]
    async fn ship(visits: &str, env: &JsValue) -> core::result::Result<JsValue, JsValue>;
}

/// What a page reports: for the visitor of its cookie, and nobody else.
pub(super) async fn from_page(request: &Request, env: &Env, context: &Context) -> Result<Response> {
    if !is_same_site(request)? {
        return problem(403, "Forbidden", "events are taken from pages of this site only");
    }
    if let Some(media) = request.headers().get("content-type")?
        && !is_json_or_text(&media)
    {
        return problem(415, "Unsupported media type", "send the events as application/json or text/plain");
    }
    if is_coded(request)? {
        return problem(415, "Unsupported media type", UNCODED);
    }
    let now = now();
    if let Some(seconds) = too_often(request, env, now).await? {
        let answer = problem(429, "Too many requests", "this visitor or network sent too many: send them later")?;
        answer.headers().set("retry-after", &seconds.to_string())?;
        return Ok(answer);
    }
    let Some(body) = read(request, MAX_BODY).await? else { return too_large(MAX_BODY) };
    let drafts = match reception::read(&body, Channel::Page, now) {
        Ok(drafts) => drafts,
        Err(found) => return problems(&found),
    };
    let Some(loaded) = isolate::loaded() else { return unconfigured() };
    let plan = &loaded.plan;
    let incoming = request.inner().as_ref();
    let source = Incoming::unseen(incoming);
    let url = request.inner().url();
    let referrer = request.headers().get("referer")?;
    // why: what is decided, and what is kept of the view, is about the page that sent this
    let page_url = referrer.as_deref().map(Url::split).filter(|page| page.host == Url::split(&url).host);
    let is_page_told = page_url.is_some();
    let facts = Facts::new("GET", page_url.unwrap_or_else(|| Url::split(&url)), &source, &loaded.crawlers);
    let claimed = reception::claimed(&drafts, plan);
    let live: Vec<ExperimentAt> =
        claimed.into_iter().filter(|&it| plan.experiments.get(it).is_some_and(|e| e.is_live(now))).collect();
    let sender = Anyone(incoming);
    let sender = Facts::new("GET", facts.url, &sender, &loaded.crawlers);
    let sender = recognised(plan, &live, &sender, now);
    match &sender {
        // why: a person without consent is not recorded, and did nothing wrong
        Sender::Crawler | Sender::NoConsent => return accepted(0),
        Sender::Person(visitor) if visitor.consent != Consented::All => return accepted(0),
        Sender::Person(visitor) if !visitor.returning => {
            let name = &plan.visitor.cookie;
            return problem(400, "Bad request", &format!("cookie {name}: it is missing or is no visitor id"));
        }
        Sender::Person(_) => {}
    }
    let user = match &sender {
        Sender::Person(visitor) => visitor.user.clone(),
        _ => None,
    };
    let intent = Intent::new(plan, &live, &facts, sender, PreviewRequest::None, now);
    let mut view = PageView::from(page_view(plan, &intent, &facts));
    // why: the referrer of this request is the page itself
    view.referrer_host = None;
    if !is_page_told {
        // why: where browsers are told not to say which page it is, nobody knows; it was not this endpoint
        view.path.clear();
    }
    let key = env.secret("INGEST_SECRET").ok().map(|secret| secret.to_string());
    let session = session_of(&facts, Secrets::known().own.as_deref());
    let page = Page {
        intent: &intent,
        view: &view,
        user: user.as_deref(),
        session: session.as_ref().map(VisitorId::as_str),
        key: key.as_ref().map(String::as_bytes),
    };
    let events = match reception::from_page(drafts, plan, page, entropy) {
        Ok(events) => events,
        Err(found) => return problems(&found),
    };
    let count = events.len();
    if let Some(message) = isolate::message(&events) {
        let env = env.clone();
        context.wait_until(async move {
            // why: it reports its own failures
            let _ = ship(&message, env.as_ref()).await;
        });
    }
    accepted(count)
}

/// What a server reports, with its signature.
pub(super) async fn from_server(request: &Request, env: &Env, context: &Context) -> Result<Response> {
    if is_coded(request)? {
        return problem(415, "Unsupported media type", UNCODED);
    }
    let Some(body) = read(request, MAX_BODY).await? else { return too_large(MAX_BODY) };
    let now = now();
    let seconds = now.div_euclid(1000);
    let Some(secret) = secret(env, "INGEST_SECRET") else {
        return unauthorized("INGEST_SECRET is not set on this worker, or empty");
    };
    let header = request.headers().get("sortition-signature")?.unwrap_or_default();
    let tag = match signature::verify(&header, &body, secret.as_bytes(), seconds) {
        Ok(tag) => tag,
        Err(reason) => return unauthorized(reason),
    };
    let drafts = match reception::read(&body, Channel::Server, now) {
        Ok(drafts) => drafts,
        Err(found) => return problems(&found),
    };
    let Some(loaded) = isolate::loaded() else { return unconfigured() };
    let cookies = isolate::with(|isolate| isolate.secret.clone()).flatten();
    let events = match reception::from_server(&drafts, &loaded.plan, &tag, cookies.as_deref(), now) {
        Ok(events) => events,
        Err(found) => return problems(&found),
    };
    if !SIGNATURES.with_borrow_mut(|used| used.first(tag, seconds)) {
        return unauthorized("this signature was used before: sign every request anew");
    }
    people::tell(crate::decisions::reported(&loaded.plan, &events), env, context);
    let answer = keep(events, env).await?;
    if answer.status_code() >= 500 {
        // why: what was not taken may come again as it is
        SIGNATURES.with_borrow_mut(|used| used.forget(&tag));
    }
    Ok(answer)
}

/// What Shopify reports, with its signature.
pub(super) async fn from_shopify(request: &Request, env: &Env) -> Result<Response> {
    let Some(body) = read(request, shopify::MAX_BODY).await? else { return too_large(shopify::MAX_BODY) };
    let Some(secret) = secret(env, "SHOPIFY_WEBHOOK_SECRET") else {
        return unauthorized("SHOPIFY_WEBHOOK_SECRET is not set on this worker, or empty");
    };
    let tag = request.headers().get("x-shopify-hmac-sha256")?.unwrap_or_default();
    if !shopify::is_genuine(&tag, &body, secret.as_bytes()) {
        return unauthorized("X-Shopify-Hmac-SHA256 is not the body's");
    }
    let Some(loaded): Option<Rc<Loaded>> = isolate::loaded() else { return unconfigured() };
    let topic = request.headers().get("x-shopify-topic")?.unwrap_or_else(|| "orders/paid".to_owned());
    let cookies = isolate::with(|isolate| isolate.secret.clone()).flatten();
    match shopify::events(&topic, &body, &loaded.plan, cookies.as_deref(), now()) {
        Ok(events) => keep(events, env).await,
        Err(found) => problems(&[found]),
    }
}

/// Sends what a server reported, and accepts it only once it is safe: a server can send it again.
async fn keep(events: Vec<Event>, env: &Env) -> Result<Response> {
    let count = events.len();
    if events.is_empty() {
        return accepted(0);
    }
    if let Some(message) = isolate::message(&events) {
        let safe = ship(&message, env.as_ref()).await.ok().and_then(|safe| safe.as_bool());
        if safe != Some(true) {
            return problem(503, "Service unavailable", "the events could not be kept: sign and send them again later");
        }
    }
    accepted(count)
}

/// After how many seconds to come again, where a visitor or a network reports too often: by the binding RATE_LIMITER where
/// there is one, else by this isolate's own counts.
async fn too_often(request: &Request, env: &Env, now: i64) -> Result<Option<i64>> {
    let headers = request.headers();
    let loaded = isolate::loaded();
    let name = loaded.as_ref().map_or("sortition_id", |loaded| loaded.plan.visitor.cookie.as_str());
    let cookies = headers.get("cookie")?.unwrap_or_default();
    let keys = Keys::new(cookies::values(&cookies, name).next(), headers.get("cf-connecting-ip")?.as_deref());
    match within_rate(keys.texts(), env.as_ref()).await?.as_bool() {
        Some(true) => Ok(None),
        Some(false) => Ok(Some(RATE_PERIOD_SECONDS)),
        None => Ok(COUNTS.with_borrow_mut(|counts| counts.admit(&keys, now)).err()),
    }
}

/// The longer of the two periods that the platform's limiter knows.
const RATE_PERIOD_SECONDS: i64 = 60;

/// Whether a page of this site sent the request. Browsers say so in `Sec-Fetch-Site`, older ones at least in `Origin`.
fn is_same_site(request: &Request) -> Result<bool> {
    let headers = request.headers();
    match headers.get("sec-fetch-site")?.as_deref() {
        Some("same-site") => return Ok(true),
        Some("cross-site") => return Ok(false),
        _ => {}
    }
    let Some(origin) = headers.get("origin")? else { return Ok(true) };
    let url = request.inner().url();
    let host = Url::split(&url).host.to_owned();
    Ok(Url::split(&origin).host == host && origin.contains("://"))
}

const UNCODED: &str = "send the events without a Content-Encoding";

/// Whether the body is compressed, which nobody here unpacks. What is no coding is a client's slip, and means nothing.
fn is_coded(request: &Request) -> Result<bool> {
    let coding = request.headers().get("content-encoding")?.unwrap_or_default().to_ascii_lowercase();
    Ok(coding.split(',').any(|one| matches!(one.trim(), "gzip" | "x-gzip" | "deflate" | "br" | "zstd" | "compress")))
}

fn is_json_or_text(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence.is_empty() || essence == "application/json" || essence == "text/plain" || essence.ends_with("+json")
}

/// Sends exposures of decisions by call, behind the answer.
pub(super) fn send(events: &[Event], env: &Env, context: &Context) {
    for events in events.chunks(crate::events::MAX_EVENTS) {
        let Some(message) = isolate::message(events) else { return };
        let env = env.clone();
        context.wait_until(async move {
            // why: it reports its own failures
            let _ = ship(&message, env.as_ref()).await;
        });
    }
}

/// The body of a request, unless it is longer than it may be.
pub(super) async fn read(request: &Request, limit: usize) -> Result<Option<Vec<u8>>> {
    let bytes = body(request.inner().as_ref(), u32::try_from(limit).unwrap_or(u32::MAX)).await?;
    Ok(bytes.dyn_into::<js_sys::Uint8Array>().ok().map(|bytes| bytes.to_vec()))
}

fn accepted(count: usize) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::from_bytes(format!("{{\"accepted\":{count}}}").into_bytes())?.with_status(202).with_headers(headers))
}

fn too_large(limit: usize) -> Result<Response> {
    problem(413, "Content too large", &format!("at most {} KiB at a time: send fewer events", limit / 1024))
}

fn unauthorized(reason: &str) -> Result<Response> {
    problem(401, "Unauthorized", reason)
}

fn unconfigured() -> Result<Response> {
    problem(503, "Service unavailable", "there is no experiment document yet: push one, then send this again")
}

#[allow(clippy::cast_possible_truncation)]
fn now() -> i64 {
    js_sys::Date::now() as i64
}
