//! `GET client.js`: the page's script.

use crate::edge::isolate;
use wasm_bindgen::prelude::*;
use worker::{Headers, Request, Response, Result};

#[wasm_bindgen(module = "/src/edge/body.js")]
unsafe extern "C" {
    #[wasm_bindgen(js_name = clientScript)]
    fn client_script() -> String;
}

/// What stands in the script for the cookie of the visitor id and what the script has to know besides.
const COOKIE: &str = "%visitor-cookie%,";

pub(super) fn client(request: &Request) -> Result<Response> {
    let script = client_script();
    let cookie = isolate::loaded().map(|loaded| {
        let settings = &loaded.plan.visitor;
        let mut told = format!("{},{}", escaped(&settings.cookie), if settings.signed { "1" } else { "" });
        if let Some(consent) = &loaded.plan.consent {
            for yes in &consent.granted {
                told += ",";
                told += &escaped(&format!("{}={yes}", consent.cookie));
            }
        }
        told
    });
    let script = cookie.map_or_else(|| script.clone(), |cookie| script.replacen(COOKIE, &cookie, 1));
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

/// Text inside a list of a script's text, as `decodeURIComponent` reads it.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::hash::hex(&[byte]));
        }
        out
    })
}
