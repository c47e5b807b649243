//! The page index: from a URL to the few experiments whose page rules might fit.
//!
//! What makes ten thousand experiments cost as much as one: a rule is filed under the text that every URL fitting it
//! must start with, and looking a URL up asks once per length of such texts.

use super::{ExperimentAt, Experiments, PageRule, Pattern};
use crate::document::PageSubject;
use crate::sort::sort;
use crate::url::Url;
use std::collections::HashMap;

/// Literal prefixes are cut to one of these lengths, so that a lookup asks at most so often.
const LENGTHS: [usize; 13] = [2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48];

/// From a host and path to the positions of experiments.
#[derive(Clone, Debug, Default)]
pub(super) struct PageIndex {
    any_host: Paths,
    hosts: HashMap<Box<str>, Paths>,
}

#[derive(Clone, Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Vec<ExperimentAt>>,
    prefixes: HashMap<Box<str>, Vec<ExperimentAt>>,
    lengths: Vec<usize>,
    everywhere: Vec<ExperimentAt>,
}

impl PageIndex {
    #[inline(never)]
    pub(super) fn new(experiments: &Experiments) -> Self {
        let mut index = Self::default();
        for (at, experiment) in experiments.positioned() {
            let scope = &experiment.scope;
            let hosts: Option<Vec<&str>> = scope.hosts.iter().map(literal).collect();
            match hosts {
                Some(hosts) if !hosts.is_empty() => {
                    for host in hosts {
                        index.hosts.entry(host.into()).or_default().file(at, &scope.pages);
                    }
                }
                _ => index.any_host.file(at, &scope.pages),
            }
        }
        index
    }

    /// Appends every experiment that might be on the page, in ascending order and once.
    pub(super) fn candidates(&self, url: &Url<'_>, found: &mut Vec<ExperimentAt>) {
        self.any_host.look_up(url.path, found);
        if !self.hosts.is_empty() {
            for host in [Some(url.host), (url.host_name() != url.host).then(|| url.host_name())].into_iter().flatten() {
                if let Some(paths) = self.hosts.get(host) {
                    paths.look_up(url.path, found);
                }
            }
        }
        if !found.is_sorted_by(|a, b| a < b) {
            sort(found);
            found.dedup();
        }
    }
}

fn literal(pattern: &Pattern) -> Option<&str> {
    if let Pattern::Exact(host) = pattern { Some(host) } else { None }
}

impl Paths {
    #[inline(never)]
    fn file(&mut self, at: ExperimentAt, pages: &[PageRule]) {
        if pages.is_empty() || pages.iter().any(|rule| rule.subject != PageSubject::Path) {
            self.everywhere.push(at);
            return;
        }
        for rule in pages {
            let list = match &rule.pattern {
                Pattern::Exact(path) => self.exact.entry(path.clone()).or_default(),
                pattern => {
                    let prefix = pattern.literal_prefix();
                    let cut = LENGTHS.iter().rev().find_map(|&length| prefix.get(..length));
                    match cut {
                        Some(prefix) => {
                            if let Err(at) = self.lengths.binary_search(&prefix.len()) {
                                self.lengths.insert(at, prefix.len());
                            }
                            self.prefixes.entry(prefix.into()).or_default()
                        }
                        None => &mut self.everywhere,
                    }
                }
            };
            if list.last() != Some(&at) {
                list.push(at);
            }
        }
    }

    fn look_up(&self, path: &str, found: &mut Vec<ExperimentAt>) {
        found.extend_from_slice(&self.everywhere);
        if let Some(list) = self.exact.get(path) {
            found.extend_from_slice(list);
        }
        for &length in &self.lengths {
            let Some(prefix) = path.get(..length) else { break };
            if let Some(list) = self.prefixes.get(prefix) {
                found.extend_from_slice(list);
            }
        }
    }
}

crate::pack::packed!(struct PageIndex { any_host, hosts });
crate::pack::packed!(struct Paths { exact, prefixes, lengths, everywhere });
