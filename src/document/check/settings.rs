//! What holds for the whole document: project, visitors, consent, crawlers, metrics.

use super::http::{has_control, host_problem, is_token};
use crate::document::{Document, MetricKind, Problem, VERSION};
use crate::url::Url;

/// The longest texts that stand in keys and events, in bytes: a KV key has 512.
const LONGEST_NAME: usize = 200;

/// The cookies of ours whose names the document cannot choose.
const OWN_COOKIES: [&str; 2] = ["sortition_as", "sortition_session"];

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
    if let Some(notify) = &document.notify
        && !is_safe_to_tell(&notify.url)
    {
        problems.push(Problem::error(
            "notify.url",
            format!("{:?} is no place to post to: write an https URL (http for a loopback host alone)", notify.url),
        ));
    }
    metrics(document, problems);
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

fn metrics(document: &Document, problems: &mut Vec<Problem>) {
    for (id, metric) in &document.metrics {
        let mut report = |field: &str, message: &str| {
            problems.push(Problem::error(format!("metrics.{id}.{field}"), message));
        };
        if metric.event.is_empty() {
            report("event", "it is empty: name the conversion event that is counted");
        }
        match (metric.kind, metric.per.as_deref()) {
            (MetricKind::Ratio, None) => {
                report("per", "missing: a ratio needs the event of its denominator, such as \"purchase\"");
            }
            (MetricKind::Ratio, Some("")) => report("per", "it is empty: name the event of the denominator"),
            (MetricKind::Proportion | MetricKind::Mean, Some(_)) => {
                report("per", "only a ratio has a denominator: remove it, or write the kind \"ratio\"");
            }
            _ => {}
        }
        if let Some(cap) = metric.cap {
            if !cap.is_finite() || cap <= 0.0 {
                report("cap", "a cap is a number above 0: values beyond it count as it");
            } else if metric.kind == MetricKind::Proportion {
                report("cap", "a proportion has no values to cap: remove it, or write the kind \"mean\"");
            }
        }
    }
}
