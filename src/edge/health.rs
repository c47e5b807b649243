//! What `/health` says: most of it is known to the visits of pages, and the endpoint in the services only asks for it.

use super::isolate::{self, NotRewrittenCounts};
use super::sender::millis;
use crate::execution::shared::CopyCounts;
use crate::shadow::{Counts, Difference};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

/// What the public learns of what is wrong: an error names experiments, fields, and what of the runtime failed.
const SOMETHING_IS_WRONG: &str = "the document, the kill key, KV or a secret needs attention: the log says what, and so does this page to whoever has ADMIN_TOKEN";

/// What `/health` says.
#[derive(Serialize)]
struct Health {
    /// `ok`: a good document is in use; `unconfigured`: there is none; `degraded`: see `config_error`.
    status: &'static str,
    version: &'static str,
    config_revision: Option<String>,
    config_age_seconds: Option<f64>,
    config_error: Option<String>,
    experiments: usize,
    killed_count: usize,
    /// `kv`, or `copy`: the data centre's copy, since KV did not answer yet.
    config_from: &'static str,
    crawlers_served: u64,
    visits: u64,
    exposures: u64,
    messages: u64,
    /// Calls for decisions that were answered from memory: nothing had changed.
    calls_unchanged: u64,
    fallbacks: u64,
    queue: bool,
    not_rewritten: NotRewrittenCounts,
    cache: Option<CopyCounts>,
    /// How often experiments in shadow mode agreed with the old tool.
    shadow: Option<Counts>,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What only those with `ADMIN_TOKEN` learn: names and selectors.
#[derive(Serialize)]
struct Details {
    killed: Vec<String>,
    /// Those that the worker's guard ended, beside what people killed.
    killed_by_guard: Vec<String>,
    rewrites: Option<Box<RawValue>>,
    shadows: BTreeMap<Box<str>, Counts>,
    /// The last decisions in which a shadow and the old tool differed.
    shadow_differences: Vec<Difference>,
}

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
    let health = isolate::with(|isolate| {
        let plan = isolate.config.loaded().map(|loaded| &loaded.plan);
        let killed = plan.map(|plan| plan.killed()).unwrap_or_default();
        let missing = isolate.pages.missing_secrets.iter().map(ToString::to_string);
        let errors: Vec<String> = isolate.config.error().map(str::to_owned).into_iter().chain(missing).collect();
        Health {
            status: match (errors.is_empty(), plan) {
                (false, _) => "degraded",
                (true, Some(_)) => "ok",
                (true, None) => "unconfigured",
            },
            version: env!("CARGO_PKG_VERSION"),
            config_revision: plan.map(|plan| plan.revision.to_string()),
            config_age_seconds: isolate.config.confirmed_at().map(|at| ((now - at) / 1000.0).max(0.0)),
            config_error: (!errors.is_empty())
                .then(|| if is_told { errors.join("; ") } else { SOMETHING_IS_WRONG.to_owned() }),
            experiments: plan.map_or(0, |plan| plan.experiments.len()),
            killed_count: killed.len(),
            config_from: if isolate.config.is_of_copy() { "copy" } else { "kv" },
            crawlers_served: isolate.pages.counts.crawlers,
            visits: isolate.pages.counts.visits,
            exposures: isolate.exposures + count(exposures),
            messages: count(messages),
            calls_unchanged: count(unchanged),
            fallbacks: isolate.breakers.fallbacks(),
            queue: isolate.has_queue,
            not_rewritten: isolate.pages.counts.not_rewritten,
            cache: Some(isolate.pages.copies.counts).filter(CopyCounts::is_some),
            shadow: isolate.pages.shadows.total(),
            details: is_told.then(|| Details {
                killed: killed.into_iter().map(str::to_owned).collect(),
                killed_by_guard: isolate
                    .config
                    .guard()
                    .map(|guard| guard.experiments.iter().map(ToString::to_string).collect())
                    .unwrap_or_default(),
                rewrites: RawValue::from_string(rewrites).ok(),
                shadows: isolate.pages.shadows.by_experiment().clone(),
                shadow_differences: isolate.pages.shadows.differences().to_vec(),
            }),
        }
    });
    serde_json::to_string(&health?).ok()
}
