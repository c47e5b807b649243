//! What KV said, handed over by `config.js`, which reads it, and to the services by `services.js`.

use super::isolate::{self, UserSecrets};
use super::source::forget;
use crate::configuration::{DocumentValue, Value, Values};
use crate::plan::Plan;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// The plan's age at which it is refreshed, where `CONFIG_TTL_SECONDS` says nothing.
const DEFAULT_TTL_SECONDS: f64 = 30.0;

/// Takes note that KV is being asked, and of what the bindings are. `now` in milliseconds since 1970.
#[wasm_bindgen]
pub fn configure(
    secret: Option<String>,
    ingest: Option<String>,
    token: Option<String>,
    has_queue: bool,
    has_people: bool,
    now: f64,
) {
    isolate::with(|isolate| {
        isolate.config.begin(now);
        // why: an empty secret is none, or anybody could sign with it
        let some = |secret: Option<String>| secret.filter(|secret| !secret.is_empty()).map(String::into_bytes);
        isolate.secret = some(secret);
        isolate.user_secrets = Rc::new(UserSecrets { ingest: some(ingest), token: some(token) });
        isolate.has_queue = has_queue;
        isolate.has_people = has_people;
    });
}

/// Takes a plan in hand, for the document of this hash that is handed over next. `false`: it is another document's, another
/// build wrote it, or it is damaged.
#[wasm_bindgen]
pub fn read_plan(content: String, bytes: &[u8]) -> bool {
    let plan = Plan::from_bytes(bytes, &content);
    let is_read = plan.is_some();
    isolate::with(|isolate| isolate.plan_in_hand = plan.map(|plan| (content, Box::new(plan))));
    is_read
}

/// Takes over what KV said; of a key that could not be read, why. Of the document the hash of its text, whose plan
/// [`read_plan`] was given where it is new, or why it is refused. Returns what is new to complain about.
// why: an object in their place would be as many calls across the boundary
#[allow(clippy::too_many_arguments)]
#[wasm_bindgen]
pub fn settle(
    config: Option<String>,
    kill: Option<String>,
    guard: Option<String>,
    config_problem: Option<String>,
    kill_problem: Option<String>,
    guard_problem: Option<String>,
    refusal: Option<String>,
    ttl_seconds: Option<f64>,
    now: f64,
) -> Option<String> {
    let config = match (config_problem, refusal) {
        (Some(problem), _) => DocumentValue::Unknown(problem),
        (None, Some(refusal)) => DocumentValue::Refused(refusal),
        (None, None) => document(config),
    };
    let values = Values { config, kill: value(kill, kill_problem), guard: value(guard, guard_problem) };
    let ttl = ttl_seconds.filter(|ttl| ttl.is_finite() && *ttl >= 0.0);
    let ttl = ttl.unwrap_or(DEFAULT_TTL_SECONDS) * 1000.0;
    changed(|isolate| isolate.config.settle(values, now, ttl)).flatten()
}

/// Starts by the data centre's copy of what KV said at `made_at`; whether it did.
#[wasm_bindgen]
pub fn settle_by_copy(
    config: Option<String>,
    kill: Option<String>,
    guard: Option<String>,
    made_at: f64,
    now: f64,
) -> bool {
    let values = Values { config: document(config), kill: value(kill, None), guard: value(guard, None) };
    changed(|isolate| isolate.config.settle_by_copy(values, made_at, now)).unwrap_or(false)
}

fn document(content: Option<String>) -> DocumentValue {
    let Some(content) = content else { return DocumentValue::Absent };
    let in_hand = isolate::with(|isolate| isolate.plan_in_hand.take()).flatten();
    let plan = in_hand.filter(|(of, _)| *of == content).map(|(_, plan)| plan);
    DocumentValue::Is { content, plan }
}

fn value(text: Option<String>, problem: Option<String>) -> Value {
    match (text, problem) {
        (_, Some(problem)) => Value::Unknown(problem),
        (Some(text), None) => Value::Text(text),
        (None, None) => Value::Absent,
    }
}

/// Changes the configuration; with another document what was remembered of user agents is forgotten.
fn changed<T>(change: impl FnOnce(&mut isolate::Isolate) -> T) -> Option<T> {
    let before = isolate::loaded().map(|loaded| loaded.generation);
    let done = isolate::with(change);
    if isolate::loaded().map(|loaded| loaded.generation) != before {
        forget();
    }
    done
}

/// Whether it was handed over at all: a fresh instance knows nothing.
#[cfg(feature = "services")]
#[wasm_bindgen]
pub fn is_configured() -> bool {
    isolate::with(|isolate| !isolate.config.is_awaited()).unwrap_or(false)
}

/// The plan of a document's text, as bytes that both wasms read.
///
/// # Errors
///
/// Why the document is refused.
#[cfg(feature = "services")]
#[wasm_bindgen]
pub fn compile(text: &str) -> Result<Vec<u8>, JsValue> {
    crate::configuration::compile(text).map(|plan| plan.to_bytes(&crate::hash::content(text))).map_err(JsValue::from)
}
