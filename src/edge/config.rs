//! KV → the isolate's plan: waited for once, refreshed behind the answers from then on, the last good one kept.

use super::isolate::{self, Isolate, Loaded, UserSecrets};
use super::source::forget;
use crate::document::Document;
use crate::hash;
use crate::plan::{Kill, KillGuard, Plan};
use crate::visitor::crawler::Crawlers;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;

/// The plan's age at which it is refreshed, where `CONFIG_TTL_SECONDS` says nothing.
const DEFAULT_TTL_SECONDS: f64 = 30.0;

/// A refresh that does not come back is given up after so long, and the next may start.
const PATIENCE_MS: f64 = 10_000.0;

/// What KV answered.
struct Fetched {
    config: Result<Option<String>, String>,
    kill: Result<Option<String>, String>,
    guard: Result<Option<String>, String>,
}

/// Reads document and kill key and puts them to use. `now` in milliseconds since 1970. Never fails: what is wrong is
/// logged and shown by `/health`.
#[wasm_bindgen]
pub async fn load(env: Env, now: f64) {
    isolate::with(|isolate| {
        isolate.asked_at = now;
        isolate.due_at = Some(now + PATIENCE_MS);
        isolate.secret = env.secret("SORTITION_SECRET").ok().map(|secret| secret.to_string().into_bytes());
        isolate.has_queue = has_queue(&env);
        isolate.has_people = js_sys::Reflect::has(env.as_ref(), &"PEOPLE".into()).unwrap_or(false);
        let secret = |name: &str| {
            let text = env.secret(name).ok().map(|secret| secret.to_string().into_bytes());
            text.filter(|text| !text.is_empty())
        };
        isolate.user_secrets =
            Rc::new(UserSecrets { ingest: secret("INGEST_SECRET"), token: secret("USER_JWT_SECRET") });
    });
    let fetched = fetch(&env).await;
    let ttl = ttl_seconds(&env) * 1000.0;
    let complaint = isolate::with(|isolate| settle(isolate, fetched, now, ttl)).flatten();
    if let Some(complaint) = complaint {
        worker::console_error!("sortition: {complaint}");
    }
}

/// Whether the isolate should ask KV: never did, or its plan is older than it may be.
pub(super) fn is_due(isolate: &mut Isolate, now: f64) -> bool {
    // why: a clock that was turned back would put the next refresh, and with it a kill, off until it has caught up
    let due = isolate.due_at.is_none_or(|due| due <= now) || now < isolate.asked_at;
    if due {
        isolate.asked_at = now;
        // why: of the requests that come while a refresh is under way only the first starts one
        isolate.due_at = Some(now + PATIENCE_MS);
    }
    due
}

/// Whether events go anywhere: to `EVENTS`, or to one of `EVENTS_1` … `EVENTS_9`.
fn has_queue(env: &Env) -> bool {
    env.queue("EVENTS").is_ok() || (1..=9).any(|number| env.queue(&format!("EVENTS_{number}")).is_ok())
}

fn ttl_seconds(env: &Env) -> f64 {
    let configured = env.var("CONFIG_TTL_SECONDS").ok().and_then(|value| value.to_string().trim().parse().ok());
    configured.filter(|ttl: &f64| ttl.is_finite() && *ttl >= 0.0).unwrap_or(DEFAULT_TTL_SECONDS)
}

async fn fetch(env: &Env) -> Fetched {
    let read = async |key: &str| -> Result<Option<String>, String> {
        let store = env.kv("CONFIG").map_err(|error| format!("the KV binding CONFIG is missing: {error}"))?;
        // why: KV caches a read for 60 seconds unless told otherwise, and takes no less than 30
        store.get(key).cache_ttl(30).text().await.map_err(|error| format!("KV did not give `{key}`: {error}"))
    };
    let ((config, kill), guard) = futures_join(futures_join(read("config"), read("kill")), read("kill-guard")).await;
    Fetched { config, kill, guard }
}

/// Both at once: the first request of an isolate waits for them.
async fn futures_join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (left, right) => {
                (first, second) = (left, right);
                Poll::Pending
            }
        }
    })
    .await
}

/// Puts what KV answered to use, and says what is new to complain about.
#[inline(never)]
fn settle(isolate: &mut Isolate, fetched: Fetched, now: f64, ttl: f64) -> Option<String> {
    let mut problems = Vec::new();
    match fetched.config {
        Err(problem) => problems.push(problem),
        Ok(None) => {
            isolate.loaded = None;
            isolate.content = None;
            isolate.confirmed_at = Some(now);
        }
        Ok(Some(text)) => {
            isolate.confirmed_at = Some(now);
            problems.extend(take_document(isolate, &text).err());
        }
    }
    match fetched.kill {
        Ok(None) => isolate.kill = Kill::default(),
        Ok(Some(text)) => {
            isolate.kill = Kill::parse(&text).unwrap_or_else(|problem| {
                problems.push(problem);
                Kill::everything()
            });
        }
        Err(problem) => problems.push(problem),
    }
    // why: what was last known of either stays in force while it cannot be read, on a new document too
    match fetched.guard.and_then(|text| text.map_or_else(|| Ok(KillGuard::default()), |text| KillGuard::parse(&text))) {
        Ok(guard) => isolate.guard = guard,
        Err(problem) => problems.push(problem),
    }
    apply_switches(isolate);
    let failed = !problems.is_empty();
    isolate.failures = if failed { isolate.failures.saturating_add(1) } else { 0 };
    // why: a KV that fails is asked again soon, but less and less often
    let backoff = 1000.0 * f64::from(1_u32 << isolate.failures.min(6));
    isolate.due_at = Some(now + if failed { backoff.min(ttl.max(1000.0)) } else { ttl });
    let error = failed.then(|| problems.join("; "));
    let is_news = error.is_some() && error != isolate.error;
    isolate.error.clone_from(&error);
    error.filter(|_| is_news)
}

#[inline(never)]
fn take_document(isolate: &mut Isolate, text: &str) -> Result<(), String> {
    let content = hash::event_id(&[text]);
    if isolate.content.as_ref() == Some(&content) {
        return Ok(());
    }
    let document = Document::parse(text).map_err(|problem| refused(&[problem]))?;
    let plan = Plan::compile(&document).map_err(|problems| refused(&problems))?;
    let crawlers = Crawlers::new(&plan.crawler_also, &plan.crawler_except);
    forget();
    // why: not a count, which a fresh instance would begin anew while JavaScript keeps what it prepared for the old one
    isolate.generation = content.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
    isolate.loaded =
        Some(Rc::new(Loaded { plan: Rc::new(plan), crawlers: Rc::new(crawlers), generation: isolate.generation }));
    isolate.content = Some(content);
    Ok(())
}

fn refused(problems: &[crate::document::Problem]) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more: run `sortition check`", problems.len() - SHOWN));
    }
    format!("the document is refused, the last good one stays: {}", lines.join("; "))
}

/// Turns the kill switches, and puts the guard's holds and weights in force, where they differ. Requests under way keep the
/// plan that they began with.
#[inline(never)]
fn apply_switches(isolate: &mut Isolate) {
    let Some(loaded) = isolate.loaded.take() else { return };
    if !loaded.plan.differs_from(&isolate.kill, &isolate.guard) {
        isolate.loaded = Some(loaded);
        return;
    }
    let mut plan = Plan::clone(&loaded.plan);
    plan.apply(&isolate.kill);
    plan.apply_guard(&isolate.guard);
    let crawlers = Rc::clone(&loaded.crawlers);
    isolate.loaded = Some(Rc::new(Loaded { plan: Rc::new(plan), crawlers, generation: loaded.generation }));
}
