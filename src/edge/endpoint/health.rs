//! `GET health`.

use crate::edge::isolate;
use serde::Serialize;
use serde_json::value::RawValue;
use worker::{Headers, Response, Result};

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
    killed: Vec<String>,
    /// Those that the worker's guard ended, beside what people killed.
    killed_by_guard: Vec<String>,
    /// `kv`, or `copy`: the data centre's copy, since KV did not answer yet.
    config_from: &'static str,
    crawlers_served: u64,
    visits: u64,
    exposures: u64,
    messages: u64,
    fallbacks: u64,
    queue: bool,
    rewrites: Option<Box<RawValue>>,
    cache: Option<Box<RawValue>>,
}

pub(super) fn health() -> Result<Response> {
    let now = js_sys::Date::now();
    let health = isolate::with(|isolate| {
        let plan = isolate.config.loaded().map(|loaded| &loaded.plan);
        let killed = plan.map(|plan| plan.experiments.iter().filter(|e| e.killed).map(|e| e.id.to_string()).collect());
        Health {
            status: match (isolate.config.error(), plan) {
                (Some(_), _) => "degraded",
                (None, Some(_)) => "ok",
                (None, None) => "unconfigured",
            },
            version: env!("CARGO_PKG_VERSION"),
            config_revision: plan.map(|plan| plan.revision.to_string()),
            config_age_seconds: isolate.config.confirmed_at().map(|at| ((now - at) / 1000.0).max(0.0)),
            config_error: isolate.config.error().map(str::to_owned),
            experiments: plan.map_or(0, |plan| plan.experiments.len()),
            killed: killed.unwrap_or_default(),
            killed_by_guard: isolate
                .config
                .guard()
                .map(|guard| guard.experiments.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            config_from: if isolate.config.is_of_copy() { "copy" } else { "kv" },
            crawlers_served: isolate.counts.crawlers,
            visits: isolate.counts.visits,
            exposures: isolate.counts.exposures,
            messages: isolate.messages,
            fallbacks: isolate.breakers.fallbacks(),
            queue: isolate.has_queue,
            rewrites: isolate.hits.take(),
            cache: isolate.copies.take(),
        }
    });
    let headers = Headers::new();
    headers.set("cache-control", "no-store")?;
    headers.set("content-type", "application/json")?;
    Ok(Response::ok(serde_json::to_string(&health)?)?.with_headers(headers))
}
