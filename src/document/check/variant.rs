//! Variants: their ids and weights, and where and how they change the answer.

use super::http::{Destination, has_control, is_header_value, is_token};
use super::step;
use crate::document::{CACHING_HEADERS, Experiment, OriginChange, Problem, Protected, Variant};
use std::collections::BTreeMap;

/// Headers of the answer that the worker itself sets, or that belong to the connection or to the body.
const OWNED: [&str; 16] = [
    "set-cookie",
    "content-length",
    "content-range",
    "content-encoding",
    "content-md5",
    "content-digest",
    "repr-digest",
    "digest",
    "transfer-encoding",
    "etag",
    "last-modified",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
];

/// The longest `timeout_ms`: a shopper has left by then.
const LONGEST_TIMEOUT_MS: u32 = 30_000;

#[inline(never)]
pub(super) fn check(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    if experiment.variants.is_empty() {
        problems.push(Problem::error(
            format!("{at}.variants"),
            "there are none: add at least a control, such as {\"id\": \"control\", \"weight\": 1}",
        ));
    } else if experiment.variants.iter().all(|variant| variant.weight.get() == 0.0) {
        problems.push(Problem::error(
            format!("{at}.variants"),
            "every weight is 0: give at least one variant a positive weight",
        ));
    }
    let mut first = BTreeMap::new();
    for (index, variant) in experiment.variants.iter().enumerate() {
        let at = format!("{at}.variants[{index}]");
        if let Some(earlier) = first.get(&variant.id) {
            problems.push(Problem::error(
                format!("{at}.id"),
                format!("{:?} is the id of variants[{earlier}] too: give each its own", variant.id.as_str()),
            ));
        } else {
            first.insert(&variant.id, index);
        }
        one(variant, &experiment.seo.allow, &at, problems);
        step::check(experiment, variant, &at, problems);
    }
}

#[inline(never)]
fn one(variant: &Variant, allowed: &[Protected], at: &str, problems: &mut Vec<Problem>) {
    if let Some(redirect) = &variant.redirect {
        if !matches!(redirect.status, 302 | 307) {
            problems.push(Problem::error(
                format!("{at}.redirect.status"),
                match redirect.status {
                    301 | 308 => format!(
                        "{} is permanent, browsers and search engines would keep it after the test: use 302 or 307",
                        redirect.status
                    ),
                    status => format!("{status} is not a temporary redirect: use 302 or 307"),
                },
            ));
        }
        if let Err(message) = Destination::parse(&redirect.to) {
            problems.push(Problem::error(format!("{at}.redirect.to"), message));
        }
    }
    if let Some(change) = &variant.origin {
        origin(change, &format!("{at}.origin"), problems);
    }
    for (name, value) in &variant.response_headers {
        let lower = name.to_ascii_lowercase();
        let message = if !is_token(name) {
            format!("{name:?} is not a header's name: use letters, digits and hyphens")
        } else if OWNED.contains(&lower.as_str()) || lower.starts_with("sortition-") {
            format!("`{name}` is set by the worker or the connection: remove it")
        } else if CACHING_HEADERS.contains(&lower.as_str()) {
            format!(
                "`{name}` would undo what the worker says of caches, which keeps visitors apart: remove it, and set it at the origin for everybody"
            )
        } else if let words @ [word, ..] = Protected::of_header(name)
            && !words.iter().any(|word| allowed.contains(word))
        {
            format!("search engines read `{name}`: remove it, or name {:?} in `seo.allow`", word.word())
        } else if !is_header_value(value) {
            format!(
                "{value:?} cannot be a header's value: use visible ASCII characters, without blanks at its ends or line breaks"
            )
        } else {
            continue;
        };
        problems.push(Problem::error(format!("{at}.response_headers.{name}"), message));
    }
}

fn origin(change: &OriginChange, at: &str, problems: &mut Vec<Problem>) {
    match (&change.url, &change.path_prefix) {
        (Some(url), None) => {
            if let Some(message) = base_problem(url) {
                problems.push(Problem::error(format!("{at}.url"), message));
            }
        }
        (None, Some(prefix)) => {
            if let Some(message) = prefix_problem(prefix) {
                problems.push(Problem::error(format!("{at}.path_prefix"), message));
            }
        }
        (Some(_), Some(_)) => {
            problems.push(Problem::error(at, "`url` and `path_prefix` together: keep one; a URL may have a path"));
        }
        (None, None) => problems.push(Problem::error(at, "it changes nothing: give `url` or `path_prefix`")),
    }
    if !(1..=LONGEST_TIMEOUT_MS).contains(&change.timeout_ms) {
        problems.push(Problem::error(
            format!("{at}.timeout_ms"),
            format!("{} is out of range: use 1 to {LONGEST_TIMEOUT_MS} milliseconds", change.timeout_ms),
        ));
    }
}

fn base_problem(url: &str) -> Option<String> {
    match Destination::parse(url) {
        Err(message) => Some(message),
        Ok(Destination { host: None, .. }) => Some(format!("{url:?} is a path: write a URL, or use `path_prefix`")),
        Ok(_) if url.contains(['?', '#']) => {
            Some(format!("{url:?} has a query or a fragment, and the page's own path is put after it: remove it"))
        }
        Ok(_) => None,
    }
}

fn prefix_problem(prefix: &str) -> Option<String> {
    if !prefix.starts_with('/') || prefix.starts_with("//") {
        Some(format!("{prefix:?} is no start of a path: write {:?}", format!("/{}", prefix.trim_matches('/'))))
    } else if prefix == "/" {
        Some("`/` changes nothing: write the path to put before the page's own, such as \"/b\"".to_owned())
    } else if prefix.ends_with('/') {
        Some(format!("{prefix:?} would give two slashes: write {:?}", prefix.trim_end_matches('/')))
    } else if prefix.contains(['?', '#', ' ', '\\']) || has_control(prefix) {
        Some(format!("{prefix:?} is more than a path: remove what is not part of one"))
    } else {
        None
    }
}
