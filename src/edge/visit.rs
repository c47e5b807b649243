//! A page request, in two synchronous calls around the origin's fetch.

use super::isolate::{self, Loaded, Secrets};
use super::sender::{entropy, millis, recognised, token_holds};
use super::source::Incoming;
use crate::decide::Decision;
use crate::events::health::Answered;
use crate::events::identity::Identification;
use crate::events::{Batch, identity};
use crate::execution::{self, Answer, Charset, NotRewritten, rewriting};
use crate::facts::Request;
use crate::json::write::push_texts;
use crate::plan::{ExperimentAt, Plan, Position, VariantAt};
use crate::sender::{Sender, handed_over};
use crate::shadow;
use crate::url::Url;
use crate::visit::{self, Forward, Joined, Lane, Outcome, World};
use crate::visitor::{Consented, VisitorId};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
unsafe extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// Which way a request goes, as a number.
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub enum Way {
    /// Nothing applies: the request passes through.
    Untouched = 0,
    /// Something may apply.
    Page = 1,
    /// One of our own endpoints.
    Endpoint = 2,
    /// There is no plan yet: wait for it, then ask again.
    Load = 3,
    /// Nothing but what a preview shows: a page request if the preview's cookie is there, else it passes through.
    Previewable = 4,
    /// Added to the others where the plan should be refreshed behind the answer.
    Stale = 8,
    /// Added where an experiment in shadow mode is on the page: [`watch`] compares, whatever else becomes of the request.
    Shadowed = 16,
}

/// Which way a request goes, by its method and URL alone; see [`Way`]. `now` in milliseconds since 1970.
#[wasm_bindgen]
pub fn lane(method: &str, url: &str, now: f64) -> u32 {
    #[cfg(feature = "chaos")]
    chaos(url, "lane");
    let Some((loaded, awaited, due)) = isolate::with(|isolate| {
        let awaited = isolate.config.is_awaited();
        (isolate.config.loaded().cloned(), awaited, !awaited && isolate.config.is_due(now))
    }) else {
        return Way::Untouched as u32;
    };
    if awaited {
        return Way::Load as u32;
    }
    let stale = if due { Way::Stale as u32 } else { 0 };
    let plan = loaded.as_ref().map(|loaded| &*loaded.plan);
    let parts = Url::split(url);
    let way = match visit::lane(plan, method, &parts, millis(now)) {
        Lane::Untouched => Way::Untouched,
        Lane::Page => Way::Page,
        Lane::Previewable => Way::Previewable,
        Lane::Endpoint => return Way::Endpoint as u32 | stale,
    };
    let is_shadowed = plan.is_some_and(|plan| plan.has_shadow_on(method, &parts, millis(now)));
    way as u32 | stale | if is_shadowed { Way::Shadowed as u32 } else { 0 }
}

/// What shadows decided for a request, while the answer's headers are waited for.
#[wasm_bindgen]
pub struct Watch {
    plan: Rc<Plan>,
    watch: shadow::Watch,
}

/// Compares what shadows decide for a request with what the old tool's cookies and headers say. `None` where that is all;
/// else the answer's headers are waited for.
#[wasm_bindgen]
pub fn watch(request: &JsValue, method: &str, url: &str, now: f64) -> Option<Watch> {
    let loaded = isolate::loaded()?;
    let source = Incoming::unseen(request);
    let request = Request::new(method, Url::split(url), &source, &loaded.crawlers);
    // why: whose token's signature is not known is nobody; the page's own request finds it out
    let watch = shadow::Watch::new(&loaded.plan, &request, Secrets::known().world(millis(now)).proof())?;
    if watch.headers().next().is_some() {
        return Some(Watch { plan: Rc::clone(&loaded.plan), watch });
    }
    isolate::with(|isolate| isolate.pages.shadows.count(&loaded.plan, &watch));
    None
}

#[wasm_bindgen]
impl Watch {
    /// The headers of the answer that are waited for.
    pub fn headers(&self) -> Vec<String> {
        self.watch.headers().map(str::to_owned).collect()
    }

    /// Takes in and counts what they say; an empty text: the answer has no such header.
    pub fn answered(mut self, values: Vec<String>) {
        let said = values.iter().map(|value| (!value.is_empty()).then_some(value.as_str()));
        self.watch.answered(&self.plan, said);
        isolate::with(|isolate| isolate.pages.shadows.count(&self.plan, &self.watch));
    }
}

/// The selectors, one a line, that meet what `selector` meets on a page where that are elements of these tags, which stand
/// apart by a blank. Absent: they would be no others.
#[wasm_bindgen]
pub fn narrowed(selector: &str, tags: &str) -> Option<String> {
    let tags: Vec<&str> = tags.split(' ').filter(|tag| !tag.is_empty()).collect();
    // why: a selector may have any character in a quoted value
    rewriting::narrowed(selector, &tags).filter(|_| !selector.contains('\n')).map(|selectors| selectors.join("\n"))
}

/// The names of headers that are for us alone.
#[wasm_bindgen]
pub fn header_names() -> String {
    visit::INTERNAL_HEADERS.join(",")
}

/// A page request under way, and the isolate's number of its plan.
#[wasm_bindgen]
pub struct Visit {
    loaded: Rc<Loaded>,
    visit: visit::Visit<Rc<Plan>>,
    /// The object of the user, and what it is to hear.
    news: Option<(String, String)>,
}

/// What stands before the answer of a user's object; without it none came in time.
const ANSWER: char = '=';

/// Decides for a request; `None` where nothing applies after all: it is no page view. `present` says which headers it has,
/// by the bits of `teach_names`.
///
/// Where the visit's outcome was a question, it begins once more: with whether a token's signature `holds`, and with what
/// the user's object answered (`joined`: `=` and the answer, or `late`).
#[wasm_bindgen]
pub fn begin(
    request: &JsValue,
    present: u32,
    method: &str,
    url: &str,
    now: f64,
    holds: Option<bool>,
    joined: Option<String>,
) -> Option<Visit> {
    #[cfg(feature = "chaos")]
    chaos(url, "begin");
    let loaded = isolate::loaded()?;
    let source = Incoming::new(request, present);
    let request = Request::new(method, Url::split(url), &source, &loaded.crawlers);
    let (secrets, has_people, exposed) = isolate::with(|isolate| {
        (Secrets::of(isolate), isolate.has_people, core::mem::take(&mut isolate.pages.exposed))
    })?;
    let joined = match joined.as_deref() {
        _ if !has_people => Joined::Never,
        None => Joined::NotYet,
        Some(answer) => answer.strip_prefix(ANSWER).map_or(Joined::Late, Joined::Answer),
    };
    let world = World { joined, exposed: Some(&exposed), ..secrets.world(millis(now)) };
    let mut visit = visit::begin(Rc::clone(&loaded.plan), &request, world, entropy);
    let unproven = visit.as_ref().and_then(visit::Visit::unproven);
    if let Some(token_holds) = unproven.and_then(|token| token_holds(token, holds, millis(now))) {
        let world = World { token_holds: Some(token_holds), ..world };
        visit = visit::begin(Rc::clone(&loaded.plan), &request, world, entropy);
    }
    isolate::with(|isolate| isolate.pages.exposed = exposed);
    let visit = visit?;
    isolate::with(|isolate| match visit.intent().sender {
        Sender::Crawler => isolate.pages.counts.crawlers += 1,
        _ => isolate.pages.counts.visits += 1,
    });
    Some(Visit { loaded, visit, news: None })
}

/// Whether a page found that a token is signed; `key`: what it is remembered by.
#[wasm_bindgen]
pub fn knows_token(key: &str, now: f64) -> bool {
    isolate::with(|isolate| isolate.tokens.knows(key, millis(now))).unwrap_or(false)
}

#[wasm_bindgen]
impl Visit {
    /// What to do next, as [`visit::encode_outcome`] writes it.
    pub fn next(&mut self, now: f64) -> String {
        isolate::with(|isolate| {
            let outcome = self.visit.next(&mut isolate.breakers, now);
            let told = match &outcome {
                Outcome::Answer(answer) => isolate::page_visits(isolate, &answer.events, millis(now)),
                _ => None,
            };
            let text = visit::encode_outcome(&outcome, self.loaded.generation, &told.unwrap_or_default());
            if isolate.has_people {
                self.news = self.visit.news_of_user(None);
            }
            text
        })
        .unwrap_or_default()
    }

    /// What to ask where the origin says which user the visitor is, as [`visit::encode_question`] writes it.
    pub fn question_of(&self, user: &str, now: f64) -> Option<String> {
        let question = isolate::with(|isolate| self.visit.question_of(user, &mut isolate.breakers, now)).flatten();
        question.map(|question| visit::encode_question(&question))
    }

    /// Takes in what came of that: `=` and the answer, or `late`.
    pub fn join(&mut self, user: &str, answer: &str) {
        self.visit.join(user, answer.strip_prefix(ANSWER));
    }

    /// What the user's object is to hear: its name, a line break, and what this answer showed for the first time.
    pub fn news(&self) -> Option<String> {
        self.news.as_ref().map(|(object, shown)| [object, "\n", shown].concat())
    }

    /// Takes note of what the variant origin answered, 0 where no answer came; returns whether that is the visitor's answer.
    pub fn variant_origin_answered(&self, status: u16, now: f64) -> bool {
        isolate::with(|isolate| self.visit.variant_origin_answered(&mut isolate.breakers, status, now)).unwrap_or(true)
    }

    /// Takes note that the variant origin did not serve, and says what to do next. `tried`: it was asked.
    pub fn variant_origin_failed(&mut self, tried: bool, now: f64) -> String {
        let met = isolate::with(|isolate| self.visit.variant_origin_failed(&mut isolate.breakers, tried));
        self.count(&met.unwrap_or_default(), 502, millis(now));
        self.next(now)
    }

    /// What becomes of the answer, as [`visit::encode_finish`] writes it. `now`, when the answer came, in milliseconds
    /// since 1970.
    // why: each is a header of the answer, and an object in their place would be as many calls across the boundary
    #[allow(clippy::too_many_arguments)]
    pub fn finish(
        &mut self,
        status: u16,
        content_type: Option<String>,
        content_encoding: Option<String>,
        cache_control: Option<String>,
        etag: Option<String>,
        expose: Option<String>,
        user: Option<String>,
        versions: Option<String>,
        variants: Option<String>,
        assignments: Option<String>,
        copy: Option<String>,
        now: f64,
    ) -> String {
        #[cfg(feature = "chaos")]
        {
            chaos(&self.visit.intent().url, "reply");
            // why: of a copy that has a coding the body was finished before
            if copy.is_some() && content_encoding.is_some() {
                chaos(&self.visit.intent().url, "finished");
            }
        }
        let answer = Answer {
            status,
            content_type: content_type.as_deref(),
            content_encoding: content_encoding.as_deref(),
            cache_control: cache_control.as_deref(),
            etag: etag.as_deref(),
            expose: expose.as_deref(),
            user: user.as_deref(),
            versions: versions.as_deref(),
            variants: variants.as_deref(),
            assignments: assignments.as_deref(),
            copy: copy.as_deref(),
        };
        if answer.is_fresh() {
            self.count(&self.visit.intent().served(), status, millis(now));
        }
        let finish = self.visit.finish(&answer);
        let mut events = self.visit.exposures_of(&finish, answer.versions);
        if isolate::with(|isolate| isolate.has_people).unwrap_or(false) {
            self.news = self.visit.news_of_user(Some(&finish));
        }
        if let (Some(user), Some(visitor)) = (&user, self.visit.intent().visitor())
            && visitor.consent == Consented::All
            && let Some(event) = identified(&self.loaded, &visitor.id, user, millis(now))
        {
            events.push_identification(&event);
        }
        isolate::with(|isolate| {
            self.visit.note(&mut isolate.pages.exposed, &finish.exposed);
            let counts = &mut isolate.pages.counts.not_rewritten;
            match finish.not_rewritten {
                Some(NotRewritten::Forbidden) => counts.forbidden += 1,
                Some(NotRewritten::Charset) => counts.charset += 1,
                Some(NotRewritten::Encoding) => counts.encoding += 1,
                None => {}
            }
        });
        let told = isolate::page_message(&events, millis(now)).unwrap_or_default();
        visit::encode_finish(&finish, self.loaded.generation, &told)
    }

    /// The rewriter's calls of one variant of the visit's plan, on a page of a charset (`utf-8` or `ascii`), as JSON:
    /// `{"name":"hero=bold","steps":[{"select":"h1","do":"set_text","method":"setInnerContent","arguments":[…]}]}`.
    pub fn steps(&self, experiment: usize, variant: usize, charset: &str) -> String {
        let charset = if charset == "utf-8" { Charset::Utf8 } else { Charset::Ascii };
        let steps = || {
            let variant = self
                .loaded
                .plan
                .experiments
                .get(ExperimentAt::from_number(experiment))?
                .variants
                .get(VariantAt::from_number(variant))?;
            let steps = rewriting::to_json(&rewriting::calls(&variant.rewrite, charset));
            // why: ids have no character that JSON would escape, and quotes stand around some in a header only
            Some(format!("{{\"name\":\"{}\",\"steps\":{steps}}}", variant.header_member.replace('"', "")))
        };
        steps().unwrap_or_else(|| "{\"name\":\"\",\"steps\":[]}".to_owned())
    }

    /// The selectors that some variant of an experiment of the visit's plan changes, as JSON: what is watched for every
    /// group.
    pub fn selectors(&self, experiment: usize) -> String {
        let selectors = || {
            let mut selectors: Vec<&str> = Vec::new();
            let experiment = self.loaded.plan.experiments.get(ExperimentAt::from_number(experiment))?;
            for step in experiment.variants.iter().flat_map(|variant| &variant.rewrite) {
                if !selectors.contains(&step.select.as_str()) {
                    selectors.push(&step.select);
                }
            }
            let mut text = String::from("[");
            push_texts(selectors, &mut text);
            Some(text + "]")
        };
        selectors().unwrap_or_else(|| "[]".to_owned())
    }

    /// Counts an answer of the origin, given at `at`, for the groups of these decisions.
    fn count(&self, decisions: &[Decision], status: u16, at: i64) {
        let answered = Answered { status, took: at.saturating_sub(self.visit.intent().now), at };
        isolate::with(|isolate| {
            // why: without a queue nobody is ever told
            if isolate.has_queue {
                isolate.pages.health.count(&self.loaded.plan, self.loaded.generation, decisions, answered);
            }
        });
    }
}

/// What the queue is told of an exposure that waited until an element was met: visits in JSON, one a line; `None` where
/// the isolate sent it today. `key`: what it is remembered by, in hexadecimal digits.
#[wasm_bindgen]
pub fn met(key: &str, exposure: String, now: f64) -> Option<String> {
    let key = u64::from_str_radix(key, 16).ok()?;
    isolate::with(|isolate| isolate.pages.exposed.note(key, millis(now))).filter(|is_new| *is_new)?;
    isolate::page_message(&Batch::exposure(exposure), millis(now))
}

/// The event of the origin's word on who a visitor is, where it is new to the isolate.
fn identified(loaded: &Loaded, visitor: &VisitorId, user: &str, now: i64) -> Option<Identification> {
    let event = identity::identified(&loaded.plan, visitor, user, now);
    if event.is_none() {
        // why: the value may be what must not be kept
        error("sortition: a Sortition-User is no opaque key of at most 128 bytes, and was not kept");
    }
    event.filter(|event| isolate::with(|isolate| isolate.pages.identified.first(&event.id)).unwrap_or(false))
}

/// The message of the origin's word on who the visitor is, in an answer that no experiment touches: to a login, for
/// instance. `None` where the visitor brought no id, did not consent, or the isolate told of it lately.
#[wasm_bindgen]
pub fn identify(request: &JsValue, method: &str, url: &str, user: &str, now: f64) -> Option<String> {
    let loaded = isolate::loaded()?;
    let source = Incoming::unseen(request);
    let request = Request::new(method, Url::split(url), &source, &loaded.crawlers);
    match recognised(&loaded.plan, &[], &request, millis(now)) {
        Sender::Person(visitor) if visitor.returning && visitor.consent == Consented::All => {
            let event = identified(&loaded, &visitor.id, user, millis(now))?;
            let mut events = Batch::default();
            events.push_identification(&event);
            isolate::page_message(&events, millis(now))
        }
        _ => None,
    }
}

/// Notes whether the object of a user answered in time.
#[wasm_bindgen]
pub fn person_answered(in_time: bool, now: f64) {
    isolate::with(|isolate| isolate.breakers.settle(visit::PEOPLE, in_time, now));
}

/// Changes of the headers of an answer that could not be finished, as a `forward` of [`visit::encode_outcome`].
#[wasm_bindgen]
pub fn unfinished() -> String {
    visit::encode_outcome(&Outcome::Forward(Forward { changes: &execution::unfinished() }), 0, "")
}

/// A list of entity tags with ours turned into the origin's, in a request that no experiment touches and that changes
/// something; `None` where none is ours.
#[wasm_bindgen]
pub fn original_tags(tags: &str) -> Option<String> {
    execution::original_tags(tags)
}

/// Whether the `Sortition-*` headers of a request come from a worker before this one.
#[wasm_bindgen]
pub fn is_handed_over(request: &JsValue) -> bool {
    let Some(loaded) = isolate::loaded() else { return false };
    let source = Incoming::unseen(request);
    let request = Request::new("GET", Url::split(""), &source, &loaded.crawlers);
    let secret = isolate::with(|isolate| isolate.secret.clone()).flatten();
    handed_over(&request, secret.as_deref()).is_some()
}

/// The `class` of an element that had `old`, with a class or without it; `None`: the attribute goes.
#[wasm_bindgen]
pub fn classes(old: &str, class: &str, adds: bool) -> Option<String> {
    rewriting::classes(old, class, adds)
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
