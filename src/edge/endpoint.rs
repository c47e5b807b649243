//! The endpoints under `/_sortition/`.

use super::isolate;
use serde::Serialize;
use worker::{Context, Env, Headers, Method, Request, Response, Result, event};

/// Whether a path is one of ours.
pub(super) fn is_reserved(path: &str) -> bool {
    path.strip_prefix("/_sortition").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[event(fetch)]
async fn fetch(request: Request, _env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    let route = path.strip_prefix("/_sortition/").unwrap_or("");
    match (request.method(), route) {
        (Method::Get | Method::Head, "health") => health(),
        (_, "health") => problem(405, "Method not allowed", "GET this endpoint"),
        _ => problem(404, "Not found", "there is no such endpoint; see the README for the list"),
    }
}

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
    crawlers_served: u64,
    visits: u64,
    exposures: u64,
    messages: u64,
    fallbacks: u64,
    queue: bool,
}

fn health() -> Result<Response> {
    let now = js_sys::Date::now();
    let health = isolate::with(|isolate| {
        let plan = isolate.loaded.as_ref().map(|loaded| &loaded.plan);
        let killed = plan.map(|plan| plan.experiments.iter().filter(|e| e.killed).map(|e| e.id.to_string()).collect());
        Health {
            status: match (&isolate.error, plan) {
                (Some(_), _) => "degraded",
                (None, Some(_)) => "ok",
                (None, None) => "unconfigured",
            },
            version: env!("CARGO_PKG_VERSION"),
            config_revision: plan.map(|plan| plan.revision.to_string()),
            config_age_seconds: isolate.confirmed_at.map(|at| ((now - at) / 1000.0).max(0.0)),
            config_error: isolate.error.clone(),
            experiments: plan.map_or(0, |plan| plan.experiments.len()),
            killed: killed.unwrap_or_default(),
            crawlers_served: isolate.counts.crawlers,
            visits: isolate.counts.visits,
            exposures: isolate.counts.exposures,
            messages: isolate.messages,
            fallbacks: isolate.breakers.values().map(|breaker| breaker.fallbacks).sum(),
            queue: isolate.has_queue,
        }
    });
    let headers = Headers::new();
    headers.set("cache-control", "no-store")?;
    headers.set("content-type", "application/json")?;
    Ok(Response::ok(serde_json::to_string(&health)?)?.with_headers(headers))
}

/// An error after RFC 9457.
pub(super) fn problem(status: u16, title: &str, detail: &str) -> Result<Response> {
    let body = serde_json::json!({ "type": "about:blank", "status": status, "title": title, "detail": detail });
    let headers = Headers::new();
    headers.set("content-type", "application/problem+json")?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::from_bytes(body.to_string().into_bytes())?.with_status(status).with_headers(headers))
}
