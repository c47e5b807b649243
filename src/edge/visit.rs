//! A page request, in two synchronous calls around the origin's fetch.

use super::isolate::{self, Loaded};
use super::source::Incoming;
use super::wire::Wire;
use super::{config, endpoint};
use crate::arrive::{Arrival, PreviewRequest, arrive, preview as preview_of};
use crate::decide::Decision;
use crate::document::{Bridge, Preview};
use crate::events::health::Answered;
use crate::events::{Event, Written, identity, page_view};
use crate::execution::{Answer, Early, HeaderChange, Intent, VARIANTS};
use crate::facts::Request;
use crate::plan::Presence;
use crate::url::Url;
use crate::visitor::{VisitorId, preview};
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
/// Nothing but what a preview shows: a page request if the preview's cookie is there, else it passes through.
const PREVIEWABLE: u32 = 4;
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
    let lane = loaded.map_or(PASS, |loaded| {
        let previews = loaded.plan.preview != Preview::Off;
        match loaded.plan.presence(method, &url, millis(now)) {
            Presence::Live => PAGE,
            _ if previews && url.query.contains(preview::NAME) => PAGE,
            Presence::Previewable if previews => PREVIEWABLE,
            _ => PASS,
        }
    });
    lane | stale
}

/// A page request under way: what was decided, and the plan that it was decided by.
#[wasm_bindgen]
pub struct Visit {
    loaded: Rc<Loaded>,
    intent: Intent,
    for_origin: Vec<HeaderChange>,
    early: Option<Early>,
    shared: Option<String>,
    /// The page view as JSON, where the answer might expose.
    page: String,
    secret: Option<Vec<u8>>,
}

/// Decides for a request; `None` where nothing applies after all. `present` says which headers it has, by the bits of
/// `teach_names`.
#[wasm_bindgen]
pub fn begin(request: &JsValue, present: u32, method: &str, url: &str, now: f64) -> Option<Visit> {
    #[cfg(feature = "chaos")]
    chaos(url, "begin");
    let loaded = isolate::loaded()?;
    let plan = &loaded.plan;
    let source = Incoming::new(request, present);
    let request = Request::new(method, Url::split(url), &source, &loaded.crawlers);
    let now = millis(now);
    let mut on_page = plan.on_page(method, &request.url);
    let secret = isolate::with(|isolate| isolate.secret.clone()).flatten();
    let arrival = arrive(plan, &on_page, &request, secret.as_deref(), entropy);
    let preview = match arrival {
        Arrival::Crawler => PreviewRequest::None,
        _ => preview_of(plan, &request, secret.as_deref(), now),
    };
    if !matches!(preview, PreviewRequest::Active(_)) {
        on_page.retain(|&index| plan.experiments.get(index).is_some_and(|experiment| experiment.is_live(now)));
    }
    isolate::with(|isolate| match arrival {
        Arrival::Crawler => isolate.counts.crawlers += 1,
        _ => isolate.counts.visits += 1,
    });
    let intent = Intent::new(plan, &on_page, &request, arrival, preview, now);
    let page = if intent.may_expose(plan) { page_view(&intent, &request).to_json() } else { String::new() };
    let early = intent.early(plan, secret.as_deref());
    let for_origin = intent.for_origin(plan, &request);
    let shared = intent.shared(plan, &request);
    Some(Visit { for_origin, early, shared, page, secret, intent, loaded: Rc::clone(&loaded) })
}

#[wasm_bindgen]
impl Visit {
    /// A list of texts: the status of an answer that needs no origin, or `-`, or `!` where the page comes from
    /// [`Visit::elsewhere`], or, where it may come from a copy that visitors share, `+` and the variants that tell copies
    /// apart; then the message for the queue that goes with that answer, or else the treatments whose steps the rewriter
    /// takes (`3.1,5.0`); then changes of headers, of that answer or of the request.
    pub fn script(&self) -> String {
        let mut wire = Wire::with_capacity(512);
        let changes = match &self.early {
            Some(early) => {
                wire.push(&early.status.to_string());
                wire.push(&self.message(&early.exposed, self.intent.now).unwrap_or_default());
                &early.changes
            }
            None => {
                match &self.shared {
                    _ if self.intent.elsewhere(&self.loaded.plan).is_some() => wire.push("!"),
                    Some(variants) => wire.push(&["+", variants].concat()),
                    None => wire.push("-"),
                }
                wire.push(&steps_key(&self.loaded.plan, &self.intent));
                &self.for_origin
            }
        };
        changes.iter().for_each(|change| wire.push_change(change));
        wire.into_text()
    }

    /// A list of texts: experiment, base URL or nothing, path prefix, timeout in milliseconds, `trusted` or `foreign`,
    /// then changes of request headers on top of the script's. `None` where the page comes from the origin.
    pub fn elsewhere(&self) -> Option<String> {
        let elsewhere = self.intent.elsewhere(&self.loaded.plan)?;
        let mut wire = Wire::with_capacity(256);
        wire.push(&elsewhere.experiment.to_string());
        wire.push(elsewhere.base.as_deref().unwrap_or_default());
        wire.push(&elsewhere.path_prefix);
        wire.push(&elsewhere.timeout_ms.to_string());
        wire.push(if elsewhere.trusted { "trusted" } else { "foreign" });
        let mut changes = Vec::new();
        elsewhere.without_credentials(&mut changes);
        changes.iter().for_each(|change| wire.push_change(change));
        Some(wire.into_text())
    }

    /// Takes an experiment out whose variant origin failed; the script is another one afterwards. `failed_at` in
    /// milliseconds since 1970, where it was asked.
    pub fn withdraw(&mut self, experiment: usize, failed_at: Option<f64>) {
        if let Some(at) = failed_at.map(millis) {
            let only: Vec<_> = self.intent.decisions.iter().filter(|it| it.experiment == experiment).copied().collect();
            self.count(&only, 502, at);
        }
        self.intent.withdraw(&self.loaded.plan, experiment);
        self.for_origin.retain(|change| !matches!(change, HeaderChange::Set(name, _) if *name == VARIANTS));
        self.for_origin.push(if self.intent.told_origin.is_empty() || !self.loaded.plan.headers.to_origin {
            HeaderChange::Remove(VARIANTS)
        } else {
            HeaderChange::Set(VARIANTS, self.intent.told_origin.clone())
        });
    }

    /// What the page's scripts are told, as JSON, after `a` where an attribute carries it and `s` where a script does.
    pub fn bridge(&self) -> Option<String> {
        let plan = &self.loaded.plan;
        let mark = if plan.bridge == Bridge::Script { 's' } else { 'a' };
        self.intent.bridge(plan).map(|json| format!("{mark}{json}"))
    }

    /// The bar of a previewed page, as HTML.
    pub fn preview_bar(&self) -> Option<String> {
        self.intent.preview_bar(&self.loaded.plan, self.secret.as_deref())
    }

    /// A list of texts: `rewrite` or nothing; the message for the queue as JSON or nothing; the decisions that are
    /// exposed when an element of theirs is met (`0:3,2:7`: position and experiment); then changes of response headers.
    /// `now`, when the answer came, in milliseconds since 1970.
    // why: each is a header of the answer, and an object in their place would be as many calls across the boundary
    #[allow(clippy::too_many_arguments)]
    pub fn reply(
        &self,
        status: u16,
        content_type: Option<String>,
        content_encoding: Option<String>,
        cache_control: Option<String>,
        etag: Option<String>,
        expose: Option<String>,
        user: Option<String>,
        copy: Option<String>,
        now: f64,
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
            user: user.as_deref(),
            copy: copy.as_deref(),
        };
        if answer.is_fresh() {
            self.count(&self.intent.decisions, status, millis(now));
        }
        let reply = self.intent.reply(plan, &answer, self.secret.as_deref());
        let mut wire = Wire::with_capacity(2048);
        wire.push(if reply.rewrite || !reply.watched.is_empty() { "rewrite" } else { "plain" });
        wire.push(&self.message_with(&reply.exposed, user.as_deref(), millis(now)).unwrap_or_default());
        wire.push(&self.watch_list(&reply.watched));
        reply.changes.iter().for_each(|change| wire.push_change(change));
        wire.into_text()
    }

    /// The message for the queue of a decision whose element was met.
    pub fn met(&self, position: usize) -> Option<String> {
        self.message(&[position], self.intent.now)
    }

    fn watch_list(&self, watched: &[usize]) -> String {
        let pairs: Vec<String> = watched
            .iter()
            .filter_map(|&position| Some(format!("{position}:{}", self.intent.decisions.get(position)?.experiment)))
            .collect();
        pairs.join(",")
    }

    /// Counts an answer of the origin, given at `at`, for the groups of these decisions.
    fn count(&self, decisions: &[Decision], status: u16, at: i64) {
        let answered = Answered { status, took: at.saturating_sub(self.intent.now), at };
        isolate::with(|isolate| {
            // why: without a queue nobody is ever told
            if isolate.has_queue {
                isolate.health.count(&self.loaded.plan, self.loaded.generation, decisions, answered);
            }
        });
    }

    fn message(&self, exposed: &[usize], now: i64) -> Option<String> {
        self.message_with(exposed, None, now)
    }

    fn message_with(&self, exposed: &[usize], user: Option<&str>, now: i64) -> Option<String> {
        let mut events = Written::exposures(&self.intent, &self.loaded.plan, exposed, &self.page);
        if let (Some(user), Some(visitor)) = (user, self.intent.visitor())
            && let Some(event) = identified(&self.loaded, &visitor.id, user, now)
        {
            events.push(&event);
        }
        isolate::page_message(&events, now)
    }
}

/// The event of the origin's word on who a visitor is, where it is new to the isolate.
fn identified(loaded: &Loaded, visitor: &VisitorId, user: &str, now: i64) -> Option<Event> {
    let event = identity::identified(&loaded.plan, visitor, user, now);
    if event.is_none() {
        // why: the value may be what must not be kept
        worker::console_error!("sortition: a Sortition-User is no opaque key of at most 128 bytes, and was not kept");
    }
    event.filter(|event| isolate::with(|isolate| isolate.identified.first(&event.id)).unwrap_or(false))
}

/// The message of the origin's word on who the visitor is, in an answer that no experiment touches: to a login, for
/// instance. `None` where the visitor brought no id, did not consent, or the isolate told of it lately.
#[wasm_bindgen]
pub fn identify(request: &JsValue, method: &str, url: &str, user: &str, now: f64) -> Option<String> {
    let loaded = isolate::loaded()?;
    let source = Incoming::unseen(request);
    let request = Request::new(method, Url::split(url), &source, &loaded.crawlers);
    let secret = isolate::with(|isolate| isolate.secret.clone()).flatten();
    match arrive(&loaded.plan, &[], &request, secret.as_deref(), entropy) {
        Arrival::Person(visitor) if visitor.returning => {
            let event = identified(&loaded, &visitor.id, user, millis(now))?;
            isolate::page_message(&Written::events(&[event]), millis(now))
        }
        _ => None,
    }
}

/// The rewriter's steps of one variant, as JSON:
/// `{"name":"hero=bold","steps":[{"select":"h1","do":"set_text","value":"…"}]}`.
#[wasm_bindgen]
pub fn steps(experiment: usize, variant: usize) -> String {
    let steps = isolate::loaded().and_then(|loaded| {
        let variant = loaded.plan.experiments.get(experiment)?.variants.get(variant)?;
        let steps = serde_json::to_string(&variant.rewrite).ok()?;
        // why: ids have no character that JSON would escape, and quotes stand around some in a header only
        Some(format!("{{\"name\":\"{}\",\"steps\":{steps}}}", variant.header_member.replace('"', "")))
    });
    steps.unwrap_or_else(|| "{\"name\":\"\",\"steps\":[]}".to_owned())
}

/// Takes down what the rewriter's steps met so far, and how many pages came from shared copies, as JSON for `/health`;
/// and how many visits were told of.
#[wasm_bindgen]
pub fn note_counts(hits: String, copies: String, visits: f64) {
    use serde_json::value::RawValue;
    isolate::with(|isolate| {
        isolate.messages = u64::try_from(millis(visits)).unwrap_or(0);
        isolate.hits = RawValue::from_string(hits).ok();
        isolate.copies = RawValue::from_string(copies).ok();
    });
}

/// The selectors that some variant of an experiment changes, as JSON: what is watched for every group.
#[wasm_bindgen]
pub fn selectors(experiment: usize) -> String {
    let selectors = isolate::loaded().and_then(|loaded| {
        let mut selectors: Vec<&str> = Vec::new();
        for step in loaded.plan.experiments.get(experiment)?.variants.iter().flat_map(|variant| &variant.rewrite) {
            if !selectors.contains(&step.select.as_str()) {
                selectors.push(&step.select);
            }
        }
        serde_json::to_string(&selectors).ok()
    });
    selectors.unwrap_or_else(|| "[]".to_owned())
}

/// Events that were made elsewhere, as visits for the queue, one a line; `None` where there is no queue.
#[wasm_bindgen]
pub fn message(events: &str) -> Option<String> {
    let events: Vec<Event> = serde_json::from_str(events).ok()?;
    isolate::message(&events)
}

/// Whether a request may try a variant origin: its circuit is closed, or it is time to try again.
#[wasm_bindgen]
pub fn origin_admits(origin: &str, now: f64) -> bool {
    isolate::with(|isolate| isolate.breakers.entry(origin.to_owned()).or_default().admits(now)).unwrap_or(true)
}

/// Takes note of whether a variant origin served a request; where not, the control origin did.
#[wasm_bindgen]
pub fn origin_settled(origin: &str, served: bool, tried: bool, now: f64) {
    isolate::with(|isolate| {
        let breaker = isolate.breakers.entry(origin.to_owned()).or_default();
        if tried {
            breaker.settle(served, now);
        }
        if !served {
            breaker.fallbacks += 1;
        }
    });
}

/// How many plans the isolate had: what is kept per plan is of no use when it rises.
#[wasm_bindgen]
pub fn generation() -> u32 {
    isolate::with(|isolate| isolate.generation).unwrap_or(0)
}

fn steps_key(plan: &crate::plan::Plan, intent: &Intent) -> String {
    if !intent.rewrites(plan) {
        return String::new();
    }
    let treatments = intent.treatments(plan).filter(|treatment| !treatment.variant.rewrite.is_empty());
    let refs: Vec<String> =
        treatments.map(|treatment| format!("{}.{}", treatment.experiment, treatment.variant_index)).collect();
    refs.join(",")
}

pub(super) fn entropy() -> [u8; 16] {
    isolate::with(|isolate| isolate.random.pop()).flatten().unwrap_or_else(|| {
        // why: asking the runtime costs the same for one as for many
        let mut bytes = [0; 16 * 32];
        if getrandom::fill(&mut bytes).is_err() {
            // why: an error has no cause in the Workers runtime; ids made of the clock would collide less than zeros
            return js_sys::Date::now().to_bits().to_le_bytes().repeat(2).try_into().unwrap_or([0; 16]);
        }
        let (many, _) = bytes.as_chunks::<16>();
        let [first, rest @ ..] = many else { return [0; 16] };
        isolate::with(|isolate| isolate.random.extend_from_slice(rest));
        *first
    })
}

#[allow(clippy::cast_possible_truncation)]
fn millis(now: f64) -> i64 {
    now as i64
}

/// Requests as data through the whole of deciding: what the native build is compared with.
#[cfg(feature = "chaos")]
#[wasm_bindgen]
pub fn replay(script: &str) -> String {
    crate::replay::replay(script).unwrap_or_else(|problem| problem)
}

/// A line of `sortition analyze`, for comparing the statistics of the builds.
#[cfg(feature = "chaos")]
#[wasm_bindgen]
pub fn analyze(line: &str) -> String {
    crate::stats::analyze::analyze_line(line)
}

/// A deliberate panic, for the tests of fail-open: `?chaos=begin`.
#[cfg(feature = "chaos")]
#[allow(clippy::panic)]
fn chaos(url: &str, place: &str) {
    if Url::split(url).parameter("chaos").as_deref() == Some(place) {
        panic!("chaos was asked for in {place}");
    }
}
