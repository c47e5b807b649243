//! The endpoints under `/_sortition/`.

mod client;
mod decisions;
mod health;
mod ingest;
mod people;

use crate::decisions::Route;
use crate::events::Problem;
use worker::{Context, Env, Headers, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let path = request.path();
    let route = path.strip_prefix("/_sortition/").unwrap_or("");
    let method = request.inner().method();
    if Route::of(route).is_some() {
        // why: of these methods `calls.js` takes care
        return not_allowed(&["POST", "OPTIONS"]);
    }
    let allowed: &[&str] = match route {
        "health" | "client.js" => &["GET", "HEAD"],
        "events" | "conversions" | "webhooks/shopify" => &["POST"],
        _ => return problem(404, "Not found", "there is no such endpoint; see the README for the list"),
    };
    if !allowed.contains(&method.as_str()) {
        return not_allowed(allowed);
    }
    match route {
        "health" => health::health(&request, &env).await,
        "client.js" => client::client(&request),
        "events" => ingest::from_page(&request, &env, &context).await,
        "conversions" => ingest::from_server(&request, &env, &context).await,
        _ => ingest::from_shopify(&request, &env).await,
    }
}

fn not_allowed(allowed: &[&str]) -> Result<Response> {
    let answer = problem(405, "Method not allowed", &format!("use {}", allowed.join(" or ")))?;
    answer.headers().set("allow", &allowed.join(", "))?;
    Ok(answer)
}

/// An error after RFC 9457.
fn problem(status: u16, title: &str, detail: &str) -> Result<Response> {
    problem_document(
        status,
        &serde_json::json!({ "type": "about:blank", "status": status, "title": title, "detail": detail }),
    )
}

/// What is wrong with a body, field by field.
fn problems(problems: &[Problem]) -> Result<Response> {
    const SHOWN: usize = 20;
    let lines: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    let document = serde_json::json!({
        "type": "about:blank",
        "status": 400,
        "title": "Bad request",
        "detail": lines.join("; "),
        "errors": problems.get(..SHOWN.min(problems.len())),
    });
    problem_document(400, &document)
}

fn problem_document(status: u16, document: &serde_json::Value) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "application/problem+json")?;
    headers.set("cache-control", "no-store")?;
    Ok(Response::from_bytes(document.to_string().into_bytes())?.with_status(status).with_headers(headers))
}
