//! Shared copies: what `execution::shared` says, for cache.js to carry out.

use super::isolate;
use crate::execution::shared::{self, CopyHead, Next};
use wasm_bindgen::prelude::*;

/// Whether to look for a copy at all. `now` in milliseconds since 1970, here and below.
#[wasm_bindgen]
pub fn copy_wanted(key: &str, now: f64) -> bool {
    isolate::with(|isolate| isolate.pages.copies.wanted(key, now)).unwrap_or(false)
}

/// What to do about a copy that was found, or about none (`made` is then no number): `hit`, `stale`, `refresh` with its
/// age in seconds, `fetch`, `wait` with how many milliseconds, `bypass`.
#[wasm_bindgen]
pub fn copy_found(key: &str, made: f64, fresh: u32, looks: u32, now: f64) -> String {
    let copy = made.is_finite().then_some((made, fresh));
    match isolate::with(|isolate| isolate.pages.copies.found(key, copy, looks, now)) {
        Some(Next::Hit { age }) => format!("hit {age}"),
        Some(Next::Stale { age }) => format!("stale {age}"),
        Some(Next::Refresh { age }) => format!("refresh {age}"),
        Some(Next::Fetch) => "fetch".to_owned(),
        Some(Next::Wait { milliseconds }) => format!("wait {milliseconds}"),
        Some(Next::Bypass) | None => "bypass".to_owned(),
    }
}

/// How old a copy is that this isolate saw in the cache at `seen`, where it may be shown without looking for it again.
#[wasm_bindgen]
pub fn copy_remembered(made: f64, fresh: u32, seen: f64, now: f64) -> Option<u32> {
    isolate::with(|isolate| isolate.pages.copies.remembered(made, fresh, seen, now)).flatten()
}

/// Takes note that the body of a copy that was found had been finished before.
#[wasm_bindgen]
pub fn copy_was_finished() {
    isolate::with(|isolate| isolate.pages.copies.counts.finished += 1);
}

/// For how many seconds an answer is everybody's, and how many more it may be shown while another is fetched; `None` where
/// it is not. `particular`: it has something that is for one visitor alone.
// why: each is a header of the answer, and an object in their place would be as many calls across the boundary
#[allow(clippy::too_many_arguments)]
#[wasm_bindgen]
pub fn copy_answered(
    key: &str,
    status: u16,
    cache_control: Option<String>,
    vary: Option<String>,
    age: Option<String>,
    particular: bool,
    refresh: bool,
    now: f64,
) -> Option<Vec<u32>> {
    let head = CopyHead {
        status,
        cache_control: cache_control.as_deref(),
        vary: vary.as_deref(),
        age: age.as_deref(),
        is_particular: particular,
    };
    let lifetime = isolate::with(|isolate| isolate.pages.copies.answered(key, &head, refresh, now)).flatten()?;
    Some(vec![lifetime.fresh, lifetime.stale])
}

/// Whether an answer with this `Vary` is another for requests that differ in more than which coding they read.
#[wasm_bindgen]
pub fn varies(vary: &str) -> bool {
    shared::varies(vary)
}

/// Nobody fetches the copy any more.
#[wasm_bindgen]
pub fn copy_settled(key: &str) {
    isolate::with(|isolate| isolate.pages.copies.settled(key));
}

/// There is no cache to keep copies in.
#[wasm_bindgen]
pub fn copy_forgo(key: &str, now: f64) {
    isolate::with(|isolate| isolate.pages.copies.forgo(key, now));
}

/// Whether the client has it already: its `If-None-Match` names the entity tag.
#[wasm_bindgen]
pub fn is_known(etag: Option<String>, if_none_match: Option<String>) -> bool {
    shared::is_known(etag.as_deref(), if_none_match.as_deref())
}
