//! `GET health`: for everybody that the worker works, for those who have `ADMIN_TOKEN` what exactly does not.

use crate::edge::databases::{self, Databases};
use crate::edge::secret::secret;
use crate::edge::{isolate, page};
use crate::hash::signature;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use worker::{Env, Headers, Request, Response, Result};

pub(super) async fn health(request: &Request, env: &Env) -> Result<Response> {
    let (exposures, unchanged) =
        isolate::with(|isolate| (isolate.exposures as f64, isolate.unchanged as f64)).unwrap_or_default();
    let is_admin = is_admin(request, env)?;
    let mut text = page::health(is_admin, exposures, unchanged, js_sys::Date::now()).unwrap_or_default();
    if databases::are_several(env) {
        text = with_databases(&text, is_admin, env).await;
    }
    let headers = Headers::new();
    headers.set("cache-control", "no-store")?;
    headers.set("content-type", "application/json")?;
    headers.set("x-robots-tag", "noindex")?;
    Ok(Response::ok(text)?.with_headers(headers))
}

/// What is to be said of a record in several databases: how many are bound, and, to those who may know, what is wrong with
/// which. Only they have the databases asked.
async fn with_databases(text: &str, is_admin: bool, env: &Env) -> String {
    let Ok(mut health) = serde_json::from_str::<Map<String, Value>>(text) else { return text.to_owned() };
    let (bound, wrong) = match (Databases::open(env), is_admin) {
        (Ok(Some(databases)), true) => (databases.count(), databases.problems().await),
        (Ok(Some(databases)), false) => (databases.count(), Vec::new()),
        (Ok(None), _) => (0, Vec::new()),
        (Err(gap), _) => (0, vec![gap.to_string()]),
    };
    if !wrong.is_empty() {
        health.insert("status".to_owned(), json!("degraded"));
    }
    let mut record = json!({"databases": bound});
    if let (true, Some(record)) = (is_admin, record.as_object_mut()) {
        record.insert("problems".to_owned(), json!(wrong));
    }
    health.insert("record".to_owned(), record);
    Value::Object(health).to_string()
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
