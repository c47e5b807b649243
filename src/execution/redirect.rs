//! Redirect experiments: to another page, never permanently, never in a loop.

use super::Intent;
use super::intent::Treatment;
use crate::plan::{ExperimentAt, Plan};
use crate::url::Url;

/// How far redirects are followed in search of a way back. A checked document has no loop; this makes certain that none
/// comes about where page rules and hosts meet.
const MAX_HOPS: usize = 8;

impl Intent {
    /// Where the visitor is sent instead of being shown this page: the status and the URL or path. People only, and
    /// safe methods only, since a form that was sent must not be lost.
    #[must_use]
    pub fn redirect(&self, plan: &Plan) -> Option<(u16, String)> {
        if !matches!(&*self.method, "GET" | "HEAD") || self.visitor().is_none() {
            return None;
        }
        let redirects = self.treatments(plan).filter_map(|treatment| treatment.variant.redirect.as_ref());
        redirects.filter_map(|redirect| Some((redirect.status, self.target(plan, &redirect.to)?))).next()
    }

    /// Sends nobody away, where the page that a redirect leads to sends them back: its experiments are withdrawn.
    #[inline(never)]
    pub(super) fn stay(&mut self, plan: &Plan) {
        let leads = |it: &Treatment<'_>| it.variant.redirect.is_some();
        let leading: Vec<ExperimentAt> = self.treatments(plan).filter(leads).map(|it| it.experiment).collect();
        for experiment in leading {
            self.withdraw(plan, experiment);
        }
        self.came_back = true;
    }

    /// Whether a redirect was not carried out since it led here again and again; told once.
    pub fn take_came_back(&mut self) -> bool {
        core::mem::take(&mut self.came_back)
    }

    /// Where a redirect leads, if the visitor may be sent there.
    #[inline(never)]
    fn target(&self, plan: &Plan, to: &str) -> Option<String> {
        let here = Url::split(&self.url);
        let target = merged(to, here.query);
        (is_allowed(&target, &here, plan) && !leads_back(plan, &target, &here)).then_some(target)
    }
}

/// The target with the page's query: the target's own parameters win.
fn merged(to: &str, query: &str) -> String {
    let (before, fragment) = to.split_once('#').map_or((to, None), |(before, fragment)| (before, Some(fragment)));
    let (path, own) = before.split_once('?').unwrap_or((before, ""));
    let name = |pair: &str| pair.split('=').next().unwrap_or("").to_owned();
    let owned: Vec<String> = own.split('&').map(name).collect();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !owned.contains(&name(pair)));
    let parameters: Vec<&str> = own.split('&').filter(|pair| !pair.is_empty()).chain(kept).collect();
    let mut target = path.to_owned();
    if !parameters.is_empty() {
        target.push('?');
        target.push_str(&parameters.join("&"));
    }
    if let Some(fragment) = fragment {
        target.push('#');
        target.push_str(fragment);
    }
    target
}

/// Whether the target is on this site or on one that the document allows. `//host` and `/\host` are other sites to a
/// browser.
fn is_allowed(target: &str, here: &Url<'_>, plan: &Plan) -> bool {
    if target.starts_with('/') {
        return !target.starts_with("//") && !target.starts_with("/\\");
    }
    let url = Url::split(target);
    matches!(url.scheme, "http" | "https")
        && (url.host == here.host || plan.redirect_hosts.iter().any(|host| &**host == url.host_name()))
}

/// Whether following redirects from the target may end on this page again, for whatever variants a visitor gets.
fn leads_back(plan: &Plan, target: &str, here: &Url<'_>) -> bool {
    let mut seen: Vec<String> = Vec::new();
    let mut next = vec![absolute(target, here)];
    for _ in 0..MAX_HOPS {
        let mut found = Vec::new();
        for page in next {
            let url = Url::split(&page);
            if url.host == here.host && url.path == here.path {
                return true;
            }
            let redirects = plan
                .on_page("GET", &url)
                .into_iter()
                .filter_map(|index| plan.experiments.get(index))
                .flat_map(|e| &e.variants)
                .filter_map(|variant| variant.redirect.as_ref());
            found.extend(redirects.map(|redirect| absolute(&redirect.to, &url)));
            seen.push(page);
        }
        found.retain(|page| !seen.contains(page));
        if found.is_empty() {
            return false;
        }
        next = found;
    }
    true
}

fn absolute(target: &str, base: &Url<'_>) -> String {
    if target.starts_with('/') { format!("{}://{}{target}", base.scheme, base.host) } else { target.to_owned() }
}
