//! A URL as people type it → as the runtime hands it over: what a browser makes of it before it asks.
//!
//! The parts of the URL Standard (<https://url.spec.whatwg.org/#concept-basic-url-parser>) that an http URL with a host
//! needs. A host beyond ASCII is refused, since its spelling in ASCII takes tables that nothing else here needs.

use super::Failure;
use crate::url::Url;

/// An absolute http or https URL without its fragment, normalised.
pub(super) fn normal_url(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::Usage(format!("`{text}` {why}, such as https://shop.example/p/1"));
    if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(wrong("has blanks in it: write a blank as %20"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("is no absolute URL: write it whole"))?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(wrong("is neither http nor https: write it whole")),
    };
    let (before, query) = match rest.split('#').next().unwrap_or("").split_once('?') {
        Some((before, query)) => (before, format!("?{}", escaped(query, b"\"<>'"))),
        None => (rest.split('#').next().unwrap_or(""), String::new()),
    };
    // why: browsers take one for the other
    let absolute = format!("{scheme}://{}", before.replace('\\', "/"));
    let url = Url::split(&absolute);
    let host = url.host.to_ascii_lowercase();
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    if host.is_empty() {
        return Err(wrong("names no host: write it whole"));
    }
    if !host.is_ascii() {
        return Err(wrong("has a host beyond ASCII: write it as DNS has it (xn--…)"));
    }
    Ok(format!("{scheme}://{host}{}{query}", path(url.path)))
}

/// A path without dot segments, escaped.
fn path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        let is_last = segments.peek().is_none();
        match dots.as_str() {
            "." | ".." => {
                if dots == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", escaped(&kept.join("/"), b"\"<>`{}"))
}

/// A text with what is beyond ASCII, and some more, as `%` escapes.
fn escaped(text: &str, more: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !more.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
