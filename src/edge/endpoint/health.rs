//! `GET health`: for everybody that the worker works, for those who have `ADMIN_TOKEN` what exactly does not.

use crate::edge::isolate::{self, NotRewrittenCounts};
use crate::edge::secret::secret;
use crate::execution::shared::CopyCounts;
use crate::hash::signature;
use crate::shadow::{Counts, Difference};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use worker::{Env, Headers, Request, Response, Result};

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

pub(super) fn health(request: &Request, env: &Env) -> Result<Response> {
    let now = js_sys::Date::now();
    let is_told = is_admin(request, env)?;
    let health = isolate::with(|isolate| {
        let plan = isolate.config.loaded().map(|loaded| &loaded.plan);
        let killed = || plan.iter().flat_map(|plan| &plan.experiments).filter(|e| e.killed);
        let missing = isolate.missing_secrets.iter().map(ToString::to_string);
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
            killed_count: killed().count(),
            config_from: if isolate.config.is_of_copy() { "copy" } else { "kv" },
            crawlers_served: isolate.counts.crawlers,
            visits: isolate.counts.visits,
            exposures: isolate.counts.exposures,
            messages: isolate.messages,
            calls_unchanged: isolate.counts.unchanged,
            fallbacks: isolate.breakers.fallbacks(),
            queue: isolate.has_queue,
            not_rewritten: isolate.counts.not_rewritten,
            cache: Some(isolate.copies.counts).filter(CopyCounts::is_some),
            shadow: isolate.shadows.total(),
            details: is_told.then(|| Details {
                killed: killed().map(|e| e.id.to_string()).collect(),
                killed_by_guard: isolate
                    .config
                    .guard()
                    .map(|guard| guard.experiments.iter().map(ToString::to_string).collect())
                    .unwrap_or_default(),
                rewrites: isolate.hits.take(),
                shadows: isolate.shadows.by_experiment().clone(),
                shadow_differences: isolate.shadows.differences().to_vec(),
            }),
        }
    });
    let headers = Headers::new();
    headers.set("cache-control", "no-store")?;
    headers.set("content-type", "application/json")?;
    headers.set("x-robots-tag", "noindex")?;
    Ok(Response::ok(serde_json::to_string(&health)?)?.with_headers(headers))
}

/// Whether a request has `ADMIN_TOKEN`, as Bearer token or as Basic password. Whoever has not is told less, not refused.
fn is_admin(request: &Request, env: &Env) -> Result<bool> {
    let Some(token) = secret(env, "ADMIN_TOKEN") else { return Ok(false) };
    let Some(header) = request.headers().get("authorization")? else { return Ok(false) };
    let (scheme, credentials) = header.trim().split_once(' ').unwrap_or(("", ""));
    let credentials = credentials.trim();
    let given = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.as_bytes().to_vec()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials).unwrap_or_default();
        let password = decoded.iter().position(|byte| *byte == b':').and_then(|colon| decoded.get(colon + 1..));
        password.map(<[u8]>::to_vec).unwrap_or_default()
    } else {
        return Ok(false);
    };
    // why: of the texts the tags are compared, so that not even the length shows in the time
    let right = signature::sign(b"ADMIN_TOKEN", &[token.as_bytes()]);
    Ok(signature::verify(b"ADMIN_TOKEN", &[&given], &right))
}
