//! How the configuration is loaded: what `config.js` asks beside handing over what KV said.

use super::isolate;
use crate::configuration::{self, BUDGET_MS};
use wasm_bindgen::prelude::*;

/// The secrets that a document may need.
const SECRETS: [&str; 3] = ["SORTITION_SECRET", "INGEST_SECRET", "USER_JWT_SECRET"];

/// How long a request of an isolate that has no plan yet waits for it, in milliseconds.
#[wasm_bindgen]
pub fn budget_ms() -> f64 {
    BUDGET_MS
}

/// Takes note of which secrets are set, of [`SECRETS`], by bits from the lowest on. Returns what the document needs and
/// lacks, where that is news.
#[wasm_bindgen]
pub fn note_secrets(set: u32) -> Option<String> {
    let is_set = |name: &str| SECRETS.iter().position(|one| *one == name).is_some_and(|bit| set >> bit & 1 == 1);
    let missing = isolate::loaded().map(|loaded| loaded.plan.missing_secrets(is_set)).unwrap_or_default();
    let before = isolate::with(|isolate| core::mem::replace(&mut isolate.pages.missing_secrets, missing.clone()));
    let is_news = before.is_some_and(|before| before != missing) && !missing.is_empty();
    is_news.then(|| missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// The names of the secrets that [`note_secrets`] is told of.
#[wasm_bindgen]
pub fn secret_names() -> String {
    SECRETS.join(",")
}

/// Takes note that nobody waits for KV any longer.
#[wasm_bindgen]
pub fn give_up(now: f64) {
    isolate::with(|isolate| isolate.config.give_up(now));
}

/// How much of what KV said should be kept as the data centre's copy, see [`configuration::CopyDue`].
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub enum CopyDue {
    Nothing,
    Switches,
    Everything,
}

/// How much of what KV said should be kept as the data centre's copy at a place; it is taken for kept then.
#[wasm_bindgen]
pub fn copy_due(place: &str, now: f64) -> CopyDue {
    match isolate::with(|isolate| isolate.config.copy_due(place, now)).unwrap_or_default() {
        configuration::CopyDue::Nothing => CopyDue::Nothing,
        configuration::CopyDue::Switches => CopyDue::Switches,
        configuration::CopyDue::Everything => CopyDue::Everything,
    }
}

/// Whether there is a plan in force.
#[wasm_bindgen]
pub fn has_plan() -> bool {
    isolate::loaded().is_some()
}

/// Whether something is wrong with the document, a switch, or KV.
#[wasm_bindgen]
pub fn has_error() -> bool {
    isolate::with(|isolate| isolate.config.error().is_some()).unwrap_or(true)
}

/// Whether the document with this hash is in use, so that its plan need not be read.
#[wasm_bindgen]
pub fn has_document(content: &str) -> bool {
    isolate::with(|isolate| isolate.config.has(content)).unwrap_or(false)
}
