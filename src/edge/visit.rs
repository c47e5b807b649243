//! A page request, in two synchronous calls around the origin's fetch.

use super::isolate::{self, Loaded};
use super::source::Incoming;
use super::wire::Wire;
use super::{config, endpoint};
use crate::arrive::{Arrival, arrive};
use crate::events::{self, PageView};
use crate::execution::{Answer, Intent};
use crate::facts::Request;
use crate::url::Url;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Nothing applies: the request passes through.
const PASS: u32 = 0;
/// A live experiment is on the page.
const PAGE: u32 = 1;
/// One of our own endpoints.
const ENDPOINT: u32 = 2;
/// KV was never asked: load first, then ask again.
const LOAD: u32 = 3;
/// Added to the lane where the plan should be refreshed behind the answer.
const STALE: u32 = 8;

/// Which way a request goes, by its method and URL alone. `now` in milliseconds since 1970.
#[wasm_bindgen]
pub fn lane(method: &str, url: &str, now: f64) -> u32 {
    #[cfg(feature = "chaos")]
    chaos(url, "lane");
    let Some((loaded, never, due)) = isolate::with(|isolate| {
        let never = isolate.due_at.is_none();
        (isolate.loaded.clone(), never, !never && config::is_due(isolate, now))
    }) else {
        return PASS;
    };
    if never {
        return LOAD;
    }
    let stale = if due { STALE } else { 0 };
    let url = Url::split(url);
    if endpoint::is_reserved(url.path) {
        return ENDPOINT | stale;
    }
    let applies = loaded.is_some_and(|loaded| loaded.plan.applies(method, &url, millis(now)));
    (if applies { PAGE } else { PASS }) | stale
}

/// A page request under way: what was decided, and the plan that it was decided by.
#[wasm_bindgen]
pub struct Visit {
    loaded: Rc<Loaded>,
    intent: Intent,
    for_origin: String,
    page: PageView,
}

/// Decides for a request; `None` where nothing applies after all.
#[wasm_bindgen]
pub fn begin(request: &JsValue, method: &str, url: &str, now: f64) -> Option<Visit> {
    #[cfg(feature = "chaos")]
    chaos(url, "begin");
    let loaded = isolate::loaded()?;
    let plan = &loaded.plan;
    let source = Incoming(request);
    let request = Request::new(method, Url::split(url), &source);
    let now = millis(now);
    let mut on_page = plan.on_page(method, &request.url);
    on_page.retain(|&index| plan.experiments.get(index).is_some_and(|experiment| experiment.is_live(now)));
    let secret = isolate::with(|isolate| isolate.secret.clone()).flatten();
    let arrival = arrive(plan, &loaded.crawlers, &on_page, &request, secret.as_deref(), entropy);
    isolate::with(|isolate| match arrival {
        Arrival::Crawler => isolate.counts.crawlers += 1,
        _ => isolate.counts.visits += 1,
    });
    let intent = Intent::new(plan, &on_page, &request, arrival, &[], now);
    let mut wire = Wire::default();
    wire.push(&steps_key(plan, &intent));
    for change in intent.for_origin(plan, &request) {
        wire.push_change(&change);
    }
    let page = if intent.may_expose(plan) { events::page_view(&intent, &request) } else { PageView::default() };
    Some(Visit { for_origin: wire.into_text(), page, intent, loaded: Rc::clone(&loaded) })
}

#[wasm_bindgen]
impl Visit {
    /// A list of texts: the treatments whose steps the rewriter takes (`3.1,5.0`), then changes of request headers.
    pub fn for_origin(&self) -> String {
        self.for_origin.clone()
    }

    /// What the page's scripts are told, as JSON; see the document's `bridge`.
    pub fn bridge(&self) -> Option<String> {
        self.intent.bridge(&self.loaded.plan)
    }

    /// A list of texts: `rewrite` or nothing, the message for the queue as JSON or nothing, then changes of response
    /// headers. Ends the visit.
    pub fn reply(
        self,
        status: u16,
        content_type: Option<String>,
        content_encoding: Option<String>,
        cache_control: Option<String>,
        etag: Option<String>,
        expose: Option<String>,
    ) -> String {
        #[cfg(feature = "chaos")]
        chaos(&self.intent.url, "reply");
        let plan = &self.loaded.plan;
        let answer = Answer {
            status,
            content_type: content_type.as_deref(),
            content_encoding: content_encoding.as_deref(),
            cache_control: cache_control.as_deref(),
            etag: etag.as_deref(),
            expose: expose.as_deref(),
        };
        let secret = isolate::with(|isolate| isolate.secret.clone()).flatten();
        let reply = self.intent.reply(plan, &answer, secret.as_deref());
        let mut wire = Wire::default();
        wire.push(if reply.rewrite { "rewrite" } else { "plain" });
        wire.push(&self.message(&reply.exposed).unwrap_or_default());
        for change in &reply.changes {
            wire.push_change(change);
        }
        wire.into_text()
    }

    fn message(&self, exposed: &[usize]) -> Option<String> {
        if exposed.is_empty() {
            return None;
        }
        let events = events::exposures(&self.intent, &self.loaded.plan, exposed, &self.page);
        isolate::message(events, entropy)
    }
}

/// The rewriter's steps of one variant, as JSON: `[{"select":"h1","do":"set_text","value":"…"}]`.
#[wasm_bindgen]
pub fn steps(experiment: usize, variant: usize) -> String {
    let steps = isolate::loaded().and_then(|loaded| {
        let variant = loaded.plan.experiments.get(experiment)?.variants.get(variant)?;
        serde_json::to_string(&variant.rewrite).ok()
    });
    steps.unwrap_or_else(|| "[]".to_owned())
}

/// How many plans the isolate had: what is kept per plan is of no use when it rises.
#[wasm_bindgen]
pub fn generation() -> u32 {
    isolate::with(|isolate| isolate.generation).unwrap_or(0)
}

fn steps_key(plan: &crate::plan::Plan, intent: &Intent) -> String {
    if !intent.rewrites(plan) {
        return "-".to_owned();
    }
    let treatments = intent.treatments(plan).filter(|treatment| !treatment.variant.rewrite.is_empty());
    let refs: Vec<String> =
        treatments.map(|treatment| format!("{}.{}", treatment.experiment, treatment.variant_index)).collect();
    format!("-{}", refs.join(","))
}

pub(super) fn entropy() -> [u8; 16] {
    let mut bytes = [0; 16];
    // why: an error has no cause in the Workers runtime; ids made of the clock would collide less than zeros
    if getrandom::fill(&mut bytes).is_err() {
        bytes = js_sys::Date::now().to_bits().to_le_bytes().repeat(2).try_into().unwrap_or([0; 16]);
    }
    bytes
}

#[allow(clippy::cast_possible_truncation)]
fn millis(now: f64) -> i64 {
    now as i64
}

/// A deliberate panic, for the tests of fail-open: `?chaos=begin`.
#[cfg(feature = "chaos")]
#[allow(clippy::panic)]
fn chaos(url: &str, place: &str) {
    if Url::split(url).parameter("chaos").as_deref() == Some(place) {
        panic!("chaos was asked for in {place}");
    }
}
