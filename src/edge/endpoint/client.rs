//! `GET client.js`: the page's script.

use wasm_bindgen::prelude::*;
use worker::{Headers, Request, Response, Result};

#[wasm_bindgen(module = "/src/edge/body.js")]
unsafe extern "C" {
    #[wasm_bindgen(js_name = clientScript)]
    fn client_script() -> String;
}

pub(super) fn client(request: &Request) -> Result<Response> {
    let script = client_script();
    let tag = format!("\"{}\"", crate::hash::validator(&[&script]));
    let headers = Headers::new();
    headers.set("etag", &tag)?;
    // why: the name never changes, so a page picks a new version up within the hour
    headers.set("cache-control", "public, max-age=3600, stale-while-revalidate=86400")?;
    headers.set("x-content-type-options", "nosniff")?;
    let known = request.headers().get("if-none-match")?.unwrap_or_default();
    let is_known = known.split(',').map(|it| it.trim().trim_start_matches("W/")).any(|it| it == tag || it == "*");
    if is_known {
        return Ok(Response::empty()?.with_status(304).with_headers(headers));
    }
    headers.set("content-type", "text/javascript; charset=utf-8")?;
    Ok(Response::from_bytes(script.into_bytes())?.with_headers(headers))
}
