//! The document compiled for the request path: page index, bucket ranges, parsed conditions, prepared header text.
//!
//! The only way to a plan is through a checked document, so nothing that uses one can fail.

mod compile;
mod cookie;
mod experiment;
mod experiments;
mod guard;
mod index;
mod kill;
mod original;
mod packed;
mod page;
mod position;
mod secrets;
mod switches;
mod takeover;

pub use compile::{assignment_code, assignment_key, held_out_code};
pub use cookie::CookieAttributes;
pub use experiment::{Experiment, Gate, LayerPart, Scope, Variant};
pub use experiments::Experiments;
pub use guard::Guard as KillGuard;
pub use kill::{Kill, KillError};
pub use packed::FORMAT;
pub use page::{PageRule, Pattern};
pub use position::{ExperimentAt, Listed, Position, VariantAt};
pub use secrets::MissingSecret;

use crate::condition::SharedSets;
use crate::document::{ApiSettings, Bridge, Consent, CrawlerPolicy, HeaderSettings, Preview, Status, VisitorSettings};
use crate::pack::Words;
use crate::url::Url;
use index::PageIndex;
use original::Original;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

/// A document, compiled.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The experiments, in the document's order.
    pub experiments: Experiments,
    /// What no switch changes, so that plans with other switches share it.
    fixed: Arc<Fixed>,
}

/// What a plan has beside its experiments.
#[derive(Debug)]
pub struct Fixed {
    /// The project, as events carry it.
    pub project: Box<str>,
    /// The revision, as events and `/health` carry it; where the document has none, a fingerprint of its content.
    pub revision: Box<str>,
    /// How visitors are recognised.
    pub visitor: VisitorSettings,
    /// The attributes of our cookies, on pages of https.
    pub cookies: CookieAttributes,
    /// The same on plain-http loopback, where browsers would drop a cookie that is `Secure`.
    pub loopback_cookies: CookieAttributes,
    /// Whether some experiment assigns browser sessions, or shows its treatment once in each.
    pub has_sessions: bool,
    /// Decisions by call.
    pub api: ApiSettings,
    /// Whose consent is needed.
    pub consent: Option<Consent>,
    /// What crawlers get.
    pub crawler_policy: CrawlerPolicy,
    /// User agents that the document counts among the crawlers, and those it does not.
    pub crawler_also: Vec<String>,
    /// See [`Plan::crawler_also`].
    pub crawler_except: Vec<String>,
    /// Who is told the variants in headers.
    pub headers: HeaderSettings,
    /// How the decision is handed to the page.
    pub bridge: Bridge,
    /// Who may preview.
    pub preview: Preview,
    /// The pages that are kept at the edge as one copy for all visitors.
    pub cached: Vec<PageRule>,
    /// Other hosts that a redirect may lead to, in lower case.
    pub redirect_hosts: Vec<Box<str>>,
    /// The units that no experiment touches.
    pub holdout: Gate,
    /// By what the holdout is measured; none: there is no holdout.
    pub measured_holdout: Option<MeasuredHoldout>,
    /// The experiments of each layer.
    pub layers: Vec<Vec<ExperimentAt>>,
    /// Whether some experiment assigns by session, so that outcomes have to say in which session they happened.
    pub assigns_sessions: bool,
    /// Whether some experiment assigns users.
    pub has_users: bool,
    /// Whether some experiment is only compared with another tool.
    pub has_shadows: bool,
    index: PageIndex,
    /// Each [`Experiment::assignment_key`] and the number of its experiment, in the keys' order.
    keyed: Words,
    /// From the path of a page that redirects lead to, to what it stands in for.
    originals: HashMap<Box<str>, Vec<Original>>,
    killed_by_document: bool,
    /// The groups that conditions name.
    groups: SharedSets,
}

impl Deref for Plan {
    type Target = Fixed;

    fn deref(&self) -> &Fixed {
        &self.fixed
    }
}

/// What is on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing of ours.
    Nothing,
    /// Only what a preview shows.
    Previewable,
    /// A live experiment, a page that one leads to, or a page of which visitors share a copy.
    Live,
}

/// The reserved experiment by which a holdout is measured, as the assignment cookie keeps it.
#[derive(Clone, Copy, Debug)]
pub struct MeasuredHoldout {
    /// What stands for it.
    pub assignment_key: u32,
    /// What stands for its groups: held out, and not.
    pub codes: [u32; 2],
    /// Visitors of a holdout bucket below this, and not below the holdout's own bound, are those that it is compared with.
    pub compared_below: u16,
}

impl MeasuredHoldout {
    /// Its id.
    pub const ID: &str = "_holdout";
    /// The names of its groups, in the order of the codes.
    pub const GROUPS: [&str; 2] = ["held_out", "not_held_out"];
}

impl Plan {
    /// The experiments that are on this request's page, in the document's order, whatever their state.
    #[must_use]
    pub fn on_page(&self, method: &str, url: &Url<'_>) -> Vec<ExperimentAt> {
        let spelled = url.upper_escapes();
        let url = &spelled.as_deref().map_or(*url, Url::split);
        let mut found = Vec::new();
        self.index.candidates(url, &mut found);
        found.retain(|&index| self.experiments.get(index).is_some_and(|e| e.scope.contains(method, url)));
        found
    }

    /// What is on this request's page. Allocates only where the index holds candidates.
    #[must_use]
    pub fn presence(&self, method: &str, url: &Url<'_>, now: i64) -> Presence {
        let mut found = Vec::new();
        let (spelled, as_sent) = (url.upper_escapes(), url);
        let url = &spelled.as_deref().map_or(*url, Url::split);
        self.index.candidates(url, &mut found);
        let mut presence = Presence::Nothing;
        for e in found.iter().filter_map(|&index| self.experiments.get(index)) {
            let live = e.is_live(now);
            let previewable = e.status == Status::Draft || e.status == Status::Running;
            if (live || previewable) && e.scope.contains(method, url) {
                if live {
                    return Presence::Live;
                }
                presence = Presence::Previewable;
            }
        }
        if self.canonical_of(as_sent, now).is_some() || self.shares(method, url) { Presence::Live } else { presence }
    }

    /// Whether an experiment that is only compared with another tool is on this request's page.
    #[must_use]
    pub fn has_shadow_on(&self, method: &str, url: &Url<'_>, now: i64) -> bool {
        let on_page = || self.on_page(method, url);
        self.has_shadows
            && on_page().iter().filter_map(|&index| self.experiments.get(index)).any(|e| e.is_compared(now))
    }

    /// Whether the document lets all visitors share a copy of the page.
    #[must_use]
    pub fn shares(&self, method: &str, url: &Url<'_>) -> bool {
        if self.cached.is_empty() || method != "GET" {
            return false;
        }
        let spelled = url.upper_escapes();
        let url = &spelled.as_deref().map_or(*url, Url::split);
        self.cached.iter().any(|rule| rule.matches(url))
    }

    /// The URL of the page that this one stands in for in a redirect experiment, for search engines.
    #[must_use]
    pub fn canonical_of(&self, url: &Url<'_>, now: i64) -> Option<String> {
        let originals = self.originals.get(url.path)?;
        originals.iter().find_map(|original| {
            self.experiments.get(original.experiment).filter(|e| e.is_live(now))?;
            original.of(url)
        })
    }

    /// These experiments and then all that they require, directly or not, wherever those are.
    #[must_use]
    pub fn with_required(&self, on_page: &[ExperimentAt]) -> Vec<ExperimentAt> {
        let mut all = on_page.to_vec();
        let mut next = 0;
        while let Some(experiment) = all.get(next).map(|&index| self.experiments.get(index)) {
            next += 1;
            for (parent, _) in experiment.map_or(&[][..], |experiment| &experiment.requires) {
                if !all.contains(parent) {
                    all.push(*parent);
                }
            }
        }
        all
    }

    /// Whether a layer of one of these experiments has one of sessions: whoever is in that enters no other of the layer.
    #[must_use]
    pub fn layer_has_sessions(&self, on_page: &[ExperimentAt]) -> bool {
        let layers = on_page.iter().filter_map(|&index| self.layers.get(self.experiments.get(index)?.layer?.layer));
        let mut peers = layers.flatten().filter_map(|&peer| self.experiments.get(peer));
        peers.any(Experiment::assigns_sessions)
    }

    /// The experiments that a key of the assignment cookie may stand for: nearly always one at most.
    pub fn with_key(&self, key: u32) -> impl Iterator<Item = ExperimentAt> {
        let (keyed, _) = self.keyed.0.as_chunks::<2>();
        let from = keyed.partition_point(|[other, _]| *other < key);
        let its = keyed.iter().skip(from).take_while(move |[other, _]| *other == key);
        its.map(|[_, number]| ExperimentAt::from_number(*number as usize))
    }

    /// The position of the experiment with this id.
    #[must_use]
    pub fn experiment(&self, id: &str) -> Option<ExperimentAt> {
        self.experiments.positions().find(|&at| self.experiments.id(at) == Some(id))
    }
}
