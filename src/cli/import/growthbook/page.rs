//! What GrowthBook's visual editor and URL redirects do to a page, and on which.

use super::super::cond::Cond;
use super::super::flag::Refusal;
use super::super::payload::{list, says, text};
use super::super::regex::{escaped, from_javascript};
use super::Fields;
use serde_json::{Value, json};

/// The hosts that an experiment's pages are on, of patterns that are whole URLs.
pub(super) fn hosts(experiment: &Value) -> Vec<String> {
    let patterns = list(experiment, "urlPatterns").iter().map(|pattern| text(pattern, "pattern"));
    patterns
        .filter_map(|pattern| Some(pattern.split_once("://")?.1.split(['/', '?']).next()?.to_ascii_lowercase()))
        .collect()
}

/// The fields `rewrite` and `redirect` of a variation.
pub(super) fn changes(variation: &Value, hosts: &[String], path: &str) -> Result<Fields, Refusal> {
    let mut fields = Fields::new();
    if says(variation, "js") {
        return Err(Refusal::new(
            format!("{path}.js"),
            "it runs JavaScript",
            "write the change as steps of `rewrite`, or read the variant in a script of the page",
        ));
    }
    let mut steps = Vec::new();
    for (index, mutation) in list(variation, "domMutations").iter().enumerate() {
        steps.extend(mutated(mutation, &format!("{path}.domMutations[{index}]"))?);
    }
    if says(variation, "css") {
        let css = text(variation, "css");
        if css.to_ascii_lowercase().contains("</style") {
            return Err(Refusal::new(format!("{path}.css"), "its CSS ends the style element", "remove that from it"));
        }
        steps.push(json!({"select": "head", "do": "append", "value": format!("<style>{css}</style>"), "html": true}));
    }
    if !steps.is_empty() {
        fields.insert("rewrite".to_owned(), Value::Array(steps));
    }
    if says(variation, "urlRedirect") {
        let to = text(variation, "urlRedirect");
        // why: the page's own host needs no permission, another one must be in `redirect_hosts`
        let own = to.split_once("://").and_then(|(_, rest)| {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            hosts.iter().any(|known| known.eq_ignore_ascii_case(host)).then(|| format!("/{path}"))
        });
        fields.insert("redirect".to_owned(), json!({"to": own.as_deref().unwrap_or(to)}));
    }
    Ok(fields)
}

fn mutated(mutation: &Value, path: &str) -> Result<Vec<Value>, Refusal> {
    let (select, value) = (text(mutation, "selector"), text(mutation, "value"));
    let one = |step: Value| Ok(vec![step]);
    match (text(mutation, "attribute"), text(mutation, "action")) {
        ("html", "set") => one(json!({"select": select, "do": "set_html", "value": value})),
        ("html", "append") => one(json!({"select": select, "do": "append", "value": value, "html": true})),
        ("class", action @ ("append" | "remove")) => {
            let action = if action == "append" { "add_class" } else { "remove_class" };
            Ok(value
                .split_ascii_whitespace()
                .map(|class| json!({"select": select, "do": action, "value": class}))
                .collect())
        }
        ("position", _) => Err(Refusal::new(
            path,
            "it moves an element",
            "write the elements where they shall be, with `before` and `remove`",
        )),
        (name, "set") if !name.is_empty() && name != "html" => {
            one(json!({"select": select, "do": "set_attribute", "name": name, "value": value}))
        }
        (name, "remove") if !matches!(name, "" | "html") && !says(mutation, "value") => {
            one(json!({"select": select, "do": "remove_attribute", "name": name}))
        }
        (name, action) => Err(Refusal::new(
            path,
            format!("a stream cannot do `{action}` on `{name}`, which needs what was there before"),
            "write the whole value with `set`",
        )),
    }
}

/// The pages of an experiment, and what its patterns ask of the query.
pub(super) fn scope(experiment: &Value, path: &str, fields: &mut Fields) -> Result<Cond, Refusal> {
    let patterns = list(experiment, "urlPatterns");
    let (mut pages, mut except, mut when) = (Vec::new(), Vec::new(), Cond::Always);
    let includes = patterns.iter().filter(|pattern| pattern.get("include") != Some(&Value::Bool(false))).count();
    for (index, pattern) in patterns.iter().enumerate() {
        let path = format!("{path}.urlPatterns[{index}]");
        let included = pattern.get("include") != Some(&Value::Bool(false));
        let source = text(pattern, "pattern");
        let rules = if text(pattern, "type") == "regex" {
            regex(source, &path)?
        } else {
            let (rule, query) = simple(source, &path)?;
            if query != Cond::Always && !(included && includes == 1) {
                return Err(Refusal::new(
                    path,
                    "several patterns ask for query parameters",
                    "use one pattern, or a regex",
                ));
            }
            when = when.and(query);
            vec![rule]
        };
        if included { pages.extend(rules) } else { except.extend(rules) }
    }
    if !pages.is_empty() {
        fields.insert("pages".to_owned(), Value::Array(pages));
    }
    if !except.is_empty() {
        fields.insert("except_pages".to_owned(), Value::Array(except));
    }
    Ok(when)
}

/// A pattern where `*` is any run: the host, the path without slashes at its ends, and each parameter that it names.
fn simple(pattern: &str, path: &str) -> Result<(Value, Cond), Refusal> {
    if pattern.contains('#') {
        return Err(Refusal::new(
            path,
            "it asks for the URL's fragment, which browsers do not send",
            "target the path",
        ));
    }
    let (address, query) = pattern.split_once('?').unwrap_or((pattern, ""));
    let (host, address) = match address.split_once("://") {
        Some((_, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(host), path)
        }
        None => (None, address),
    };
    let run = |text: &str, any: &str| text.split('*').map(escaped).collect::<Vec<_>>().join(any);
    let host = host.map_or_else(|| "[^/?#]*".to_owned(), |host| run(host, "[^/?#]*"));
    let address = address.strip_prefix('/').unwrap_or(address);
    let address = run(address.strip_suffix('/').unwrap_or(address), "[^?#]*");
    let rule = json!({"regex": format!(r"(?i)^https?:\/\/{host}\/?{address}\/?(\?.*)?$"), "of": "url"});
    let mut when = Cond::Always;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.contains(['*', '%', '+']) || value.contains(['%', '+']) {
            return Err(Refusal::new(
                path,
                "a parameter of its query is encoded or has a pattern as its name",
                "use a regex",
            ));
        }
        let found = Cond::leaf(&format!("query.{name}"), json!({"$regexi": format!("^{}$", run(value, ".*"))}));
        // why: a parameter that is missing is compared as an empty text
        let empty = value.chars().all(|character| character == '*');
        when = when.and(if empty { found.or(Cond::exists(&format!("query.{name}")).negated()) } else { found });
    }
    Ok((rule, when))
}

/// A regex, which is tried on the whole URL and on what follows the host.
fn regex(source: &str, path: &str) -> Result<Vec<Value>, Refusal> {
    let translated =
        from_javascript(source).map_err(|reason| Refusal::new(path, reason, "write the pattern without that"))?;
    let whole = json!({"regex": translated, "of": "url"});
    match translated.strip_prefix('^') {
        None if translated.contains('^') && !translated.contains("[^") => {
            Err(Refusal::new(path, "the regex is anchored in its middle", "put `^` first"))
        }
        None => Ok(vec![whole]),
        Some(rest) if rest.contains('|') => {
            Err(Refusal::new(path, "the regex has alternatives of which one is anchored", "use two patterns"))
        }
        Some(rest) => Ok(vec![whole, json!({"regex": format!(r"^https?:\/\/[^\/?#]*{rest}"), "of": "url"})]),
    }
}
