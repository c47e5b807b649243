//! Which page the target of a redirect experiment stands in for: what it names as `rel="canonical"`, so that search engines
//! index one of the two.

use super::{Experiment, ExperimentAt, Experiments, PageRule, Pattern};
use crate::document::PageSubject;
use crate::url::{Url, encode_path, is_plain_host};
use std::collections::HashMap;

/// The page that a redirect's target stands in for.
#[derive(Clone, Debug)]
pub(super) struct Original {
    /// The experiment, by position.
    pub(super) experiment: ExperimentAt,
    /// The host of the target, where the redirect names one.
    target_host: Option<Box<str>>,
    /// The hosts that the experiment is on; none: every host.
    hosts: Vec<Pattern>,
    /// The host of the original, where the experiment tells.
    host: Option<Box<str>>,
    path: Box<str>,
}

impl Original {
    /// Its URL, for a target at `url`; `None` where that is a page of another host, or where nobody can tell the host of
    /// the original: none is better than a wrong one. It holds nothing that ends the `<…>` of a header.
    pub(super) fn of(&self, url: &Url<'_>) -> Option<String> {
        let is_on = |host: &Pattern| host.matches(url.host_name()) || host.matches(url.host);
        let is_here = self.hosts.iter().any(is_on);
        let host = match &self.target_host {
            // why: a redirect to a path stays on the host that it started from
            None if self.hosts.is_empty() || is_here => url.host,
            None => return None,
            Some(target) if **target != *url.host && **target != *url.host_name() => return None,
            Some(_) if is_here => url.host,
            Some(_) => self.host.as_deref()?,
        };
        // why: the host of a request is what its sender wrote, and the runtime hands on what no host can be
        is_plain_host(host).then(|| format!("{}://{host}{}", url.scheme, encode_path(&self.path)))
    }
}

/// By the path of each page that redirects lead to, what it stands in for.
#[inline(never)]
pub(super) fn of_targets(experiments: &Experiments) -> HashMap<Box<str>, Vec<Original>> {
    let mut pages: HashMap<Box<str>, Vec<Original>> = HashMap::new();
    for (at, e) in experiments.positioned().filter(|(_, e)| e.redirects) {
        let Some((named_host, original)) = original(e) else { continue };
        let only_host = e.scope.hosts.iter().find_map(|host| match host {
            Pattern::Exact(host) => Some(host.clone()),
            _ => None,
        });
        for redirect in e.variants.iter().filter_map(|variant| variant.redirect.as_ref()) {
            let is_path = redirect.to.starts_with('/');
            let url = Url::split(&redirect.to);
            let path = if is_path { redirect.to.split(['?', '#']).next().unwrap_or("") } else { url.path };
            if is_path && path == &*original {
                continue;
            }
            pages.entry(path.into()).or_default().push(Original {
                experiment: at,
                target_host: (!is_path).then(|| url.host.to_ascii_lowercase().into()),
                hosts: e.scope.hosts.clone(),
                host: named_host.clone().or_else(|| only_host.clone()),
                path: original.clone(),
            });
        }
    }
    pages
}

/// The page that an experiment's others are variants of: the one that it names, else, of a family of pages such as
/// `/sale*` or `/p/*`, the shortest, which is the page that the family is called by. With its host where a rule names
/// that.
fn original(e: &Experiment) -> Option<(Option<Box<str>>, Box<str>)> {
    let is_on = |path: &str| {
        let url = Url { whole: path, scheme: "", host: "", path, query: "" };
        !e.scope.except.iter().any(|rule| rule.subject == PageSubject::Path && rule.matches(&url))
    };
    let exact = e.scope.pages.iter().find_map(|rule| match (&rule.pattern, rule.subject) {
        (Pattern::Exact(path), PageSubject::Path) => Some((None, path.clone())),
        (Pattern::Exact(url), PageSubject::Url) => {
            let url = Url::split(url);
            (!url.host.is_empty()).then(|| (Some(url.host.into()), url.path.into()))
        }
        _ => None,
    });
    let family = || e.scope.pages.iter().filter_map(shortest).filter(|path| is_on(path)).min_by_key(|path| path.len());
    exact.or_else(|| family().map(|path| (None, path.into())))
}

/// The shortest path that a rule on a family of pages takes in.
fn shortest(rule: &PageRule) -> Option<String> {
    if rule.subject != PageSubject::Path || rule.is_everything() {
        return None;
    }
    let path = match &rule.pattern {
        Pattern::Prefix(prefix) => prefix.to_string(),
        // why: `?` stands for some character, and nobody can tell which
        Pattern::Glob(glob) if !glob.contains('?') => glob.replace('*', ""),
        _ => return None,
    };
    path.starts_with('/').then_some(path)
}

crate::pack::packed!(struct Original { experiment, target_host, hosts, host, path });
