//! The page index: from a URL to the few experiments whose page rules might fit.
//!
//! What makes ten thousand experiments cost as much as one: a rule is filed under the text that every URL fitting it
//! must start with, and looking a URL up asks once per length of such texts.

mod filed;

use super::{ExperimentAt, Experiments, PageRule, Pattern};
use crate::document::PageSubject;
use crate::sort::sort;
use crate::url::Url;
use filed::{Filed, Hash};
use std::collections::{BTreeMap, HashMap};

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
    exact: Filed,
    prefixes: Filed,
    /// The lengths of the prefixes, in ascending order.
    lengths: Vec<usize>,
    everywhere: Vec<ExperimentAt>,
}

/// The same while it is made.
#[derive(Default)]
struct Filing {
    exact: BTreeMap<Box<str>, Vec<ExperimentAt>>,
    prefixes: BTreeMap<Box<str>, Vec<ExperimentAt>>,
    everywhere: Vec<ExperimentAt>,
}

impl PageIndex {
    #[inline(never)]
    pub(super) fn new(experiments: &Experiments) -> Self {
        let mut any_host = Filing::default();
        let mut by_host: HashMap<Box<str>, Filing> = HashMap::new();
        for (at, experiment) in experiments.positioned() {
            let scope = &experiment.scope;
            let hosts: Option<Vec<&str>> = scope.hosts.iter().map(literal).collect();
            match hosts {
                Some(hosts) if !hosts.is_empty() => {
                    for host in hosts {
                        by_host.entry(host.into()).or_default().file(at, &scope.pages);
                    }
                }
                _ => any_host.file(at, &scope.pages),
            }
        }
        let hosts = by_host.into_iter().map(|(host, filing)| (host, filing.into())).collect();
        Self { any_host: any_host.into(), hosts }
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

impl Filing {
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
                        Some(prefix) => self.prefixes.entry(prefix.into()).or_default(),
                        None => &mut self.everywhere,
                    }
                }
            };
            if list.last() != Some(&at) {
                list.push(at);
            }
        }
    }
}

impl From<Filing> for Paths {
    fn from(filing: Filing) -> Self {
        let Filing { exact, prefixes, everywhere } = filing;
        let lengths = LENGTHS.into_iter().filter(|length| prefixes.keys().any(|prefix| prefix.len() == *length));
        Self { exact: Filed::new(&exact), lengths: lengths.collect(), prefixes: Filed::new(&prefixes), everywhere }
    }
}

impl Paths {
    fn look_up(&self, path: &str, found: &mut Vec<ExperimentAt>) {
        found.extend_from_slice(&self.everywhere);
        // why: the hash of a text goes on from that of its beginning, so that each byte is looked at once
        let (mut hash, mut done) = (Hash::default(), 0);
        for &length in &self.lengths {
            let Some(more) = path.as_bytes().get(done..length) else { break };
            (hash, done) = (hash.on(more), length);
            self.prefixes.find(hash, path.as_bytes().get(..length).unwrap_or_default(), found);
        }
        if !self.exact.is_empty() {
            hash = hash.on(path.as_bytes().get(done..).unwrap_or_default());
            self.exact.find(hash, path.as_bytes(), found);
        }
    }
}

crate::pack::packed!(struct PageIndex { any_host, hosts });
crate::pack::packed!(struct Paths { exact, prefixes, lengths, everywhere });
