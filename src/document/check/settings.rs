//! What holds for the whole document: project, visitors, consent, crawlers, metrics.

use super::http::{has_control, host_problem, is_token};
use super::metric;
use crate::document::{Document, Notify, Problem, TokenAlgorithm, UserToken, VERSION};
use crate::json;
use crate::url::Url;

/// The longest texts that stand in keys and events, in bytes: a KV key has 512.
const LONGEST_NAME: usize = 200;

/// The cookies of ours whose names the document cannot choose.
const OWN_COOKIES: [&str; 3] = ["sortition_as", "sortition_session", "sortition_hops"];

#[inline(never)]
pub(super) fn check(document: &Document, problems: &mut Vec<Problem>) {
    if document.version != VERSION {
        problems.push(Problem::error("version", format!("{} is not known here: write {VERSION}", document.version)));
    }
    let named = [
        ("project", Some(&document.project)),
        ("revision", document.revision.as_ref()),
        ("salt", document.salt.as_ref()),
    ];
    for (field, text) in named {
        let Some(text) = text else { continue };
        let message = if text.is_empty() && field == "project" {
            "it is empty: name the project, for every event and salt carries it".to_owned()
        } else if text.is_empty() {
            "it is empty: write a text, or leave the field out".to_owned()
        } else if text.len() > LONGEST_NAME || has_control(text) {
            format!("use at most {LONGEST_NAME} bytes, without line breaks or other control characters")
        } else {
            continue;
        };
        problems.push(Problem::error(field, message));
    }
    visitor(document, problems);
    if let Some(consent) = &document.consent {
        cookie("consent.cookie", &consent.cookie, problems);
        if consent.granted.is_empty() {
            problems.push(Problem::error(
                "consent.granted",
                "it is empty, so nobody could ever consent: list the cookie's values that mean yes",
            ));
        }
    }
    for (field, list) in [("also", &document.crawlers.also), ("except", &document.crawlers.except)] {
        for (index, part) in list.iter().enumerate() {
            if part.trim().is_empty() {
                problems.push(Problem::error(
                    format!("crawlers.{field}[{index}]"),
                    "it is empty and would match every user agent: remove it",
                ));
            }
        }
    }
    if let Some(cache) = &document.cache {
        if cache.pages.is_empty() {
            problems.push(Problem::error(
                "cache.pages",
                "it is empty, so no page is kept: name the pages, or remove `cache`",
            ));
        }
        super::page::rules(&cache.pages, "cache.pages", problems);
    }
    for (place, notice) in document.notify.iter().flat_map(Notify::all).enumerate() {
        let at = match &document.notify {
            Some(Notify::Several(_)) => format!("notify[{place}]"),
            _ => "notify".to_owned(),
        };
        if !is_safe_to_tell(&notice.url) {
            let message =
                format!("{:?} is no place to post to: write an https URL (http for a loopback host alone)", notice.url);
            problems.push(Problem::error(format!("{at}.url"), message));
        }
        if notice.on.is_empty() {
            problems.push(Problem::error(format!("{at}.on"), "it is empty, so nothing is told: name the news"));
        }
    }
    for (place, origin) in document.api.cors_origins.iter().enumerate() {
        if !is_origin(origin) {
            problems.push(Problem::error(
                format!("api.cors_origins[{place}]"),
                format!("{origin:?} is not an origin: write scheme and host alone, such as \"https://app.example\""),
            ));
        }
    }
    holdout(document, problems);
    metric::check(document, problems);
}

/// Whether a text is a web origin: scheme, host and perhaps a port, and nothing more (RFC 6454).
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
    };
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(fits))
}

fn holdout(document: &Document, problems: &mut Vec<Problem>) {
    let compare = document.holdout.compare;
    if !compare.is_finite() || compare < 0.0 {
        problems.push(Problem::error("holdout.compare", "use a number from 0 on, 4 by default"));
    }
}

/// Whether a URL is `https`, or `http` on this very machine.
fn is_safe_to_tell(url: &str) -> bool {
    let parts = Url::split(url);
    let is_clean = !has_control(url) && !url.contains([' ', '@']);
    let is_allowed = url.starts_with("https://") || (url.starts_with("http://") && parts.is_loopback());
    is_clean && is_allowed && !parts.host.is_empty()
}

fn visitor(document: &Document, problems: &mut Vec<Problem>) {
    let visitor = &document.visitor;
    cookie("visitor.cookie", &visitor.cookie, problems);
    if let Some(name) = &visitor.user_cookie {
        cookie("visitor.user_cookie", name, problems);
        if *name == visitor.cookie {
            problems.push(Problem::error(
                "visitor.user_cookie",
                format!("{name:?} holds the visitor id: name the cookie of the shop's own user id"),
            ));
        }
    }
    if let Some(name) = &visitor.user_header
        && (!is_token(name) || name.to_ascii_lowercase().starts_with("sortition-"))
    {
        problems.push(Problem::error(
            "visitor.user_header",
            if is_token(name) {
                format!("`{name}` is dropped from every request, like all `Sortition-*` headers: name another")
            } else {
                format!("{name:?} is not a header's name: use letters, digits and hyphens")
            },
        ));
    }
    if let Some(token) = &visitor.user_jwt {
        user_token(token, problems);
    }
    if visitor.max_age_days == 0 {
        problems.push(Problem::error(
            "visitor.max_age_days",
            "0 days would make every visit a first one: use 1 or more, 365 by default",
        ));
    }
    if let Some(domain) = &visitor.domain {
        let host = domain.strip_prefix('.').unwrap_or(domain);
        let message = host_problem(host)
            .map(|_| format!("{domain:?} is not a domain: write one such as \"shop.example\""))
            .or_else(|| host.contains('*').then(|| format!("{domain:?} has a `*`: a domain covers its subdomains")))
            .or_else(|| {
                visitor.cookie.starts_with("__Host-").then(|| {
                    "a cookie whose name starts with `__Host-` has no domain: remove one of the two".to_owned()
                })
            });
        if let Some(message) = message {
            problems.push(Problem::error("visitor.domain", message));
        }
    }
}

fn user_token(token: &UserToken, problems: &mut Vec<Problem>) {
    match (&token.cookie, &token.header) {
        (Some(name), None) => cookie("visitor.user_jwt.cookie", name, problems),
        (None, Some(name)) if !is_token(name) => problems.push(Problem::error(
            "visitor.user_jwt.header",
            format!("{name:?} is not a header's name: use letters, digits and hyphens"),
        )),
        (None, Some(_)) => {}
        (None, None) => problems.push(Problem::error(
            "visitor.user_jwt",
            "it does not say where the token is: name its `cookie` or its `header`",
        )),
        (Some(_), Some(_)) => {
            problems.push(Problem::error(
                "visitor.user_jwt",
                "a token is in one place: name `cookie` or `header`, not both",
            ));
        }
    }
    if token.claim.is_empty() {
        problems.push(Problem::error(
            "visitor.user_jwt.claim",
            "it is empty: name the claim that is the user id, such as \"sub\"",
        ));
    }
    let key = token.key.as_ref().and_then(|key| json::object(key.text().as_bytes()));
    if key.as_ref().is_some_and(|key| json::member(key, "d").is_some()) {
        problems.push(Problem::error(
            "visitor.user_jwt.key",
            "it has the private part `d`, and this document is no place for it: write the public key",
        ));
    }
    let wanted = match token.alg {
        TokenAlgorithm::HS256 => "oct",
        TokenAlgorithm::RS256 => "RSA",
        TokenAlgorithm::ES256 => "EC",
    };
    let kind = key.as_ref().map(|key| json::text(key, "kty").unwrap_or_default());
    if kind.is_some_and(|kind| kind != wanted) {
        let message = format!("its `kty` does not fit the algorithm: {:?} needs a key of `kty` {wanted:?}", token.alg);
        problems.push(Problem::error("visitor.user_jwt.key", message));
    }
}

fn cookie(path: &str, name: &str, problems: &mut Vec<Problem>) {
    let message = if !is_token(name) {
        format!("{name:?} is not a cookie's name: use letters, digits, `_` and `-`")
    } else if OWN_COOKIES.contains(&name) {
        format!("`{name}` is a cookie of ours with another content: choose another name")
    } else {
        return;
    };
    problems.push(Problem::error(path, message));
}
