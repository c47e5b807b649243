//! Page rules, hosts and methods.

use super::http::{has_control, host_problem, is_token};
use crate::condition::{MAX_COMPILED_PATTERN, MAX_PATTERN};
use crate::document::{Experiment, Page, PageMatch, PageSubject, Problem};

#[inline(never)]
pub(super) fn check(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    rules(&experiment.pages, &format!("{at}.pages"), problems);
    rules(&experiment.except_pages, &format!("{at}.except_pages"), problems);
    for (index, host) in experiment.hosts.iter().enumerate() {
        if let Some(message) = host_problem(host) {
            problems.push(Problem::error(format!("{at}.hosts[{index}]"), message));
        }
    }
    for (index, method) in experiment.methods.iter().enumerate() {
        if !is_token(method) {
            let message = format!("{method:?} is not a method: write one such as \"GET\"");
            problems.push(Problem::error(format!("{at}.methods[{index}]"), message));
        }
    }
}

/// What is wrong with each of a list of page rules.
pub(super) fn rules(pages: &[Page], at: &str, problems: &mut Vec<Problem>) {
    for (index, page) in pages.iter().enumerate() {
        if let Err((part, message)) = rule(page) {
            let dot = if part.is_empty() { "" } else { "." };
            problems.push(Problem::error(format!("{at}[{index}]{dot}{part}"), message));
        }
    }
}

/// # Errors
///
/// The field of the rule that is wrong (empty: the rule itself), and what to do.
#[inline(never)]
fn rule(page: &Page) -> Result<(), (&'static str, String)> {
    let (field, text, of) = match page {
        Page::Glob(glob) => ("", glob, PageSubject::Path),
        Page::Rule(rule) => {
            let (field, text) = only_match(rule).map_err(|message| ("", message))?;
            (field, text, rule.of)
        }
    };
    let wrong = |message: String| Err((field, message));
    if text.is_empty() {
        return wrong(
            "it is empty: write what to look for, or remove the rule; no `pages` means every page".to_owned(),
        );
    }
    if has_control(text) {
        return wrong(format!("{text:?} has characters that no URL has: remove them"));
    }
    if field == "regex" {
        return regex(text).map_err(|message| (field, message));
    }
    let from_start = matches!(field, "" | "glob" | "exact" | "prefix");
    let wild = matches!(field, "" | "glob") && text.starts_with(['*', '?']);
    if of == PageSubject::Path && from_start && !wild && !text.starts_with('/') {
        let kind = if field.is_empty() { "glob" } else { field };
        return wrong(if text.contains("://") {
            format!(
                "{text:?} is a URL, and this is compared with the path: write {{\"{kind}\": {text:?}, \"of\": \"url\"}}"
            )
        } else {
            format!("{text:?} matches no path, for paths start with `/`: write {:?}", format!("/{text}"))
        });
    }
    if of == PageSubject::Path && text.contains('#') {
        return wrong(format!("{text:?} has a `#`, which browsers keep to themselves: match on what is before it"));
    }
    Ok(())
}

/// The one kind of match that a rule gives.
fn only_match(rule: &PageMatch) -> Result<(&'static str, &String), String> {
    let all = [
        ("exact", &rule.exact),
        ("prefix", &rule.prefix),
        ("suffix", &rule.suffix),
        ("contains", &rule.contains),
        ("glob", &rule.glob),
        ("regex", &rule.regex),
    ];
    let mut given = all.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?)));
    match (given.next(), given.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            Err("it says not how to match: give one of exact, prefix, suffix, contains, glob, regex".to_owned())
        }
        (Some((first, _)), Some((second, _))) => {
            Err(format!("`{first}` and `{second}` together: keep one, and write the other as a rule of its own"))
        }
    }
}

/// Compiles a page's regular expression, within the bounds of those of conditions.
fn regex(text: &str) -> Result<(), String> {
    if text.len() > MAX_PATTERN {
        return Err(format!(
            "this regex has {} bytes, of {MAX_PATTERN} at most: split it into several rules",
            text.len()
        ));
    }
    match regex_lite::RegexBuilder::new(text).size_limit(MAX_COMPILED_PATTERN).build() {
        Ok(_) => Ok(()),
        Err(_) if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| text.contains(look)) => {
            Err("this regex looks around, which takes unbounded time: use `except_pages` or a second rule".to_owned())
        }
        Err(error) if error.to_string().contains("size limit") => {
            Err("this regex is too large once compiled: lower the counts of its repetitions".to_owned())
        }
        Err(error) => Err(format!("this regex does not compile ({error}): correct it, or use `glob`")),
    }
}
