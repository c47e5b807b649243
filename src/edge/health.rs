//! What `/health` says: most of it is known to the visits of pages, and the endpoint in the services only asks for it.

use super::isolate::{self, Isolate};
use super::sender::millis;
use crate::json::write::{Object, member, push_text, push_texts};
use crate::shadow::Difference;
use wasm_bindgen::prelude::*;

/// What the public learns of what is wrong: an error names experiments, fields, and what of the runtime failed.
const SOMETHING_IS_WRONG: &str = "the document, the kill key, KV or a secret needs attention: the log says what, and so does this page to whoever has ADMIN_TOKEN";

/// What `/health` says, as JSON. `is_told`: to somebody with `ADMIN_TOKEN`; `exposures`, `unchanged`: those of the
/// services; `messages`: how many visits were told of; `rewrites`: what the rewriter's steps met, as JSON.
#[wasm_bindgen]
pub fn health(
    is_told: bool,
    exposures: f64,
    unchanged: f64,
    messages: f64,
    rewrites: String,
    now: f64,
) -> Option<String> {
    let count = |number: f64| u64::try_from(millis(number)).unwrap_or(0);
    isolate::with(|isolate| {
        let counted = Counted { exposures: count(exposures), unchanged: count(unchanged), messages: count(messages) };
        of(isolate, is_told.then_some(rewrites.as_str()), counted, millis(now))
    })
}

/// What others counted.
struct Counted {
    exposures: u64,
    /// Calls for decisions that were answered from memory: nothing had changed.
    unchanged: u64,
    messages: u64,
}

fn of(isolate: &Isolate, rewrites: Option<&str>, counted: Counted, now: i64) -> String {
    let plan = isolate.config.loaded().map(|loaded| &loaded.plan);
    let killed = plan.map(|plan| plan.killed()).unwrap_or_default();
    let missing = isolate.pages.missing_secrets.iter().map(ToString::to_string);
    let errors: Vec<String> = isolate.config.error().map(str::to_owned).into_iter().chain(missing).collect();
    let status = match (errors.is_empty(), plan) {
        (false, _) => "degraded",
        (true, Some(_)) => "ok",
        (true, None) => "unconfigured",
    };
    let mut text = String::with_capacity(1024);
    let mut health = Object::begin(&mut text);
    // `ok`: a good document is in use; `unconfigured`: there is none; `degraded`: see `config_error`
    health.text(member!("status"), status);
    health.text(member!("version"), env!("CARGO_PKG_VERSION"));
    health.maybe(member!("config_revision"), plan.map(|plan| &*plan.revision));
    health.json(member!("config_age_seconds"), &age(isolate.config.confirmed_at(), now));
    let told = if rewrites.is_some() { &errors.join("; ") } else { SOMETHING_IS_WRONG };
    health.maybe(member!("config_error"), Some(told).filter(|_| !errors.is_empty()));
    health.number(member!("experiments"), plan.map_or(0, |plan| plan.experiments.len() as u64));
    health.number(member!("killed_count"), killed.len() as u64);
    // `kv`, or `copy`: the data centre's copy, since KV did not answer yet
    health.text(member!("config_from"), if isolate.config.is_of_copy() { "copy" } else { "kv" });
    health.number(member!("crawlers_served"), isolate.pages.counts.crawlers);
    health.number(member!("visits"), isolate.pages.counts.visits);
    health.number(member!("exposures"), isolate.exposures + counted.exposures);
    health.number(member!("messages"), counted.messages);
    health.number(member!("calls_unchanged"), counted.unchanged);
    health.number(member!("fallbacks"), isolate.breakers.fallbacks());
    health.json(member!("queue"), if isolate.has_queue { "true" } else { "false" });
    let left = isolate.pages.counts.not_rewritten;
    let left = [
        (member!("forbidden"), left.forbidden),
        (member!("charset"), left.charset),
        (member!("encoding"), left.encoding),
    ];
    health.json(member!("not_rewritten"), &numbers(&left));
    let copies = isolate.pages.copies.counts;
    let cache = copies.is_some().then(|| {
        numbers(&[
            (member!("hits"), copies.hits),
            (member!("stale"), copies.stale),
            (member!("misses"), copies.misses),
            (member!("bypassed"), copies.bypassed),
            (member!("finished"), copies.finished),
        ])
    });
    health.json(member!("cache"), cache.as_deref().unwrap_or("null"));
    // how often experiments in shadow mode agreed with the old tool
    let shadow = isolate.pages.shadows.total().map(|counts| counts.to_json());
    health.json(member!("shadow"), shadow.as_deref().unwrap_or("null"));
    // what only those with `ADMIN_TOKEN` learn: names and selectors
    if let Some(rewrites) = rewrites {
        let mut names = String::new();
        push_texts(killed, &mut names);
        health.list(member!("killed"), &names);
        // those that the worker's guard ended, beside what people killed
        let mut names = String::new();
        let guard = isolate.config.guard().map(|guard| &*guard.experiments).unwrap_or_default();
        push_texts(guard.iter().map(|id| id.as_str()), &mut names);
        health.list(member!("killed_by_guard"), &names);
        health.json(member!("rewrites"), rewrites);
        let mut shadows = String::new();
        for (experiment, counts) in isolate.pages.shadows.by_experiment() {
            if !shadows.is_empty() {
                shadows += ",";
            }
            push_text(experiment, &mut shadows);
            shadows += ":";
            shadows += &counts.to_json();
        }
        health.json(member!("shadows"), &["{", &shadows, "}"].concat());
        // the last decisions in which a shadow and the old tool differed
        let differences: Vec<String> = isolate.pages.shadows.differences().iter().map(Difference::to_json).collect();
        health.list(member!("shadow_differences"), &differences.join(","));
    }
    health.end();
    text
}

/// Counts by their names.
fn numbers(counts: &[(&'static str, u64)]) -> String {
    let mut text = String::new();
    let mut object = Object::begin(&mut text);
    counts.iter().for_each(|(name, count)| object.number(name, *count));
    object.end();
    text
}

/// How long ago something was, in seconds, as JSON.
fn age(since: Option<f64>, now: i64) -> String {
    let Some(since) = since else { return "null".to_owned() };
    let age = now.saturating_sub(millis(since)).max(0);
    format!("{}.{:03}", age / 1000, age % 1000)
}
