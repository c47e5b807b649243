//! An experiment, compiled: who may be in it, where it is, and what its variants do.

use super::{ExperimentAt, Listed, PageRule, Pattern, VariantAt};
use crate::condition::{Condition, FactKey};
use crate::document::{Compared, Display, Expose, Kind, OriginChange, Redirect, RewriteStep, Slots, Status, UnitKind};
use crate::hash::{Bucket, Salt, Takeover};
use crate::url::Url;

/// The units below a bound: those whose bucket under the salt is smaller.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// The salt.
    pub salt: Salt,
    /// The bound, 0..=10,000.
    pub below: u16,
}

impl Gate {
    /// The unit's bucket, and whether it is below the bound.
    #[must_use]
    pub fn admits(&self, unit: &str) -> (Bucket, bool) {
        let bucket = self.salt.bucket(unit);
        (bucket, bucket.get() < self.below)
    }
}

/// The part of a layer that an experiment owns.
#[derive(Clone, Copy, Debug)]
pub struct LayerPart {
    /// The layer's salt.
    pub salt: Salt,
    /// The slots that the experiment owns.
    pub slots: Slots,
    /// The layer, by position in [`Plan::layers`].
    pub layer: usize,
    /// The units that no experiment of the layer touches.
    pub holdout: Option<Gate>,
}

/// An experiment, compiled.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its id.
    pub id: Box<str>,
    /// Its name elsewhere, by which decisions are asked for.
    pub key: Option<Box<str>>,
    /// Words by which decisions are asked for together.
    pub tags: Vec<Box<str>>,
    /// What it is.
    pub kind: Kind,
    /// Where it is in its life.
    pub status: Status,
    /// Whether the kill switch is on, for it or for everything.
    pub killed: bool,
    /// When it starts, in milliseconds since 1970.
    pub starts_at: Option<i64>,
    /// When it ends.
    pub ends_at: Option<i64>,
    /// Who is assigned.
    pub unit: UnitKind,
    /// Who is assigned where the unit is not known.
    pub else_unit: Option<UnitKind>,
    /// Which start-over it is.
    pub iteration: u32,
    /// What stands for it and its iteration in the assignment cookie: 24 bits.
    pub assignment_key: u32,
    /// What stands there for having been held out of it.
    pub held_out_code: u32,
    /// The salt of traffic.
    pub traffic_salt: Salt,
    /// The salt of the split.
    pub variant_salt: Salt,
    /// Another tool's assignment, in place of traffic and split.
    pub takeover: Option<Box<Takeover>>,
    /// Whether another tool assigns, and we only measure.
    pub assigned_elsewhere: bool,
    /// Where the variant of the old tool stands that its decisions are compared with; then it acts for nobody.
    pub shadow: Option<Compared>,
    /// Traffic in buckets, before the first ramp step.
    pub traffic: u16,
    /// From each time (milliseconds since 1970) on, a traffic in buckets; in order of time.
    pub ramp: Vec<(i64, u16)>,
    /// The most traffic in buckets that the worker's guard lets through.
    pub hold: u16,
    /// The part of a layer that it owns.
    pub layer: Option<LayerPart>,
    /// Who wins a conflict.
    pub priority: i32,
    /// The surfaces that it owns, as numbers that equal texts share.
    pub conflicts: Vec<u32>,
    /// The pages that it is on.
    pub scope: Scope,
    /// Who is eligible.
    pub audience: Option<Condition<FactKey>>,
    /// Experiments and the variants of theirs that a unit must have, by position.
    pub requires: Vec<(ExperimentAt, VariantAt)>,
    /// Who is given which variant.
    pub overrides: Vec<(Condition<FactKey>, VariantAt)>,
    /// Whether a unit keeps its variant.
    pub sticky: bool,
    /// Whether it runs without consent.
    pub essential: bool,
    /// How often the treatment is shown.
    pub display: Display,
    /// What counts as having met the variant.
    pub expose: Expose,
    /// The variant that everybody eligible gets.
    pub winner: Option<VariantAt>,
    /// What crawlers get under the policy `baseline`.
    pub baseline: VariantAt,
    /// Whether some variant redirects: then being answered is what exposes, for every variant alike.
    pub redirects: bool,
    /// Whether some variant changes HTML: then only a page that can be rewritten exposes, for every variant alike.
    pub rewrites: bool,
    /// Whether the origin has to know the variant to answer: one beside the control does nothing at the edge, or the
    /// origin says itself what it rendered.
    pub by_origin: bool,
    /// The variants; the first is the control.
    pub variants: Listed<VariantAt, Variant>,
}

/// Which requests an experiment is on.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Page rules; none: every page.
    pub pages: Vec<PageRule>,
    /// Page rules that take pages away.
    pub except: Vec<PageRule>,
    /// Hosts; none: every host.
    pub hosts: Vec<Pattern>,
    /// Methods; none: every method.
    pub methods: Vec<Box<str>>,
}

impl Scope {
    /// Whether a request is in the scope.
    #[must_use]
    pub fn contains(&self, method: &str, url: &Url<'_>) -> bool {
        self.takes(method) && self.has_page(url)
    }

    /// Whether a page is in the scope, whatever the method.
    #[must_use]
    pub fn has_page(&self, url: &Url<'_>) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(url.host_name()) || host.matches(url.host)))
            && (self.pages.is_empty() || self.pages.iter().any(|rule| rule.matches(url)))
            && !self.except.iter().any(|rule| rule.matches(url))
    }

    /// Whether requests of a method may be in the experiment: those that its `methods` list, else GET and HEAD. A HEAD is
    /// answered as the GET would be. What only asks about a resource or for an echo never is.
    #[must_use]
    pub fn takes(&self, method: &str) -> bool {
        let lists = |wanted: &str| self.methods.iter().any(|listed| &**listed == wanted);
        match method {
            "OPTIONS" | "TRACE" => false,
            "GET" | "HEAD" if self.methods.is_empty() => true,
            "HEAD" => lists("HEAD") || lists("GET"),
            _ => lists(method),
        }
    }

    /// Whether the scope names its pages, rather than taking in every path: then a script's request for one is meant too.
    #[must_use]
    pub fn names_pages(&self) -> bool {
        !self.pages.is_empty() && !self.pages.iter().any(PageRule::is_everything)
    }

    /// Whether the scope names its pages or methods, rather than taking in everything: then an answer that is no HTML
    /// page was meant too.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.methods.is_empty() || self.names_pages()
    }
}

/// A variant, compiled.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its id.
    pub id: Box<str>,
    /// Its name elsewhere.
    pub key: Option<Box<str>>,
    /// The first variant bucket that is not its own; its range starts at the bound of the variant before it.
    pub below: u16,
    /// The same as the document's weights have it; a bandit's guard moves the bound in force.
    pub written_below: u16,
    /// What stands for it in the assignment cookie: 24 bits, different for each variant of an experiment.
    pub code: u32,
    /// What headers say of it: `hero=bold`.
    pub header_member: Box<str>,
    /// Changes to the HTML.
    pub rewrite: Vec<RewriteStep>,
    /// Another page to send the visitor to.
    pub redirect: Option<Redirect>,
    /// Another place to fetch the page from.
    pub origin: Option<OriginChange>,
    /// Headers set on the answer.
    pub response_headers: Vec<(Box<str>, Box<str>)>,
    /// Data for scripts of the page, as JSON text.
    pub payload: Option<Box<str>>,
}

impl Experiment {
    /// The traffic at a time, in buckets.
    #[must_use]
    pub fn traffic_at(&self, now: i64) -> u16 {
        let ramped = self.ramp.iter().rev().find(|(at, _)| *at <= now).map_or(self.traffic, |(_, traffic)| *traffic);
        ramped.min(self.hold)
    }

    /// Whether it does anything for anybody at a time: it is running, or it is killed and says so to the origin.
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.shadow.is_none() && (self.killed || self.is_on(now))
    }

    /// Whether its decisions are compared with another tool's at a time.
    #[must_use]
    pub fn is_compared(&self, now: i64) -> bool {
        self.shadow.is_some() && !self.killed && self.is_on(now)
    }

    fn is_on(&self, now: i64) -> bool {
        self.status == Status::Running
            && self.starts_at.is_none_or(|start| start <= now)
            && self.ends_at.is_none_or(|end| now < end)
    }

    /// Whether it is past its end or was declared over.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.status == Status::Completed || self.ends_at.is_some_and(|end| end <= now)
    }

    /// Whether it asks which browser session a request belongs to.
    #[must_use]
    pub fn needs_session(&self) -> bool {
        self.assigns_sessions() || self.display == Display::OncePerVisit
    }

    /// Whether its units may be sessions.
    #[must_use]
    pub fn assigns_sessions(&self) -> bool {
        self.unit == UnitKind::Session || self.else_unit == Some(UnitKind::Session)
    }

    /// Whether whoever has an assignment takes up its layer: it is on, or off only for now. What is past its end, or not
    /// started, has given its people free.
    #[must_use]
    pub fn holds_layer(&self, now: i64) -> bool {
        self.shadow.is_none() && (self.status == Status::Paused || self.is_on(now))
    }

    /// The variant that a code of the assignment cookie stands for.
    #[must_use]
    pub fn variant_of_code(&self, code: u32) -> Option<VariantAt> {
        self.variants.find(|variant| variant.code == code)
    }

    /// The variant with this id.
    #[must_use]
    pub fn variant(&self, id: &str) -> Option<VariantAt> {
        self.variants.find(|variant| &*variant.id == id)
    }

    /// The variant that other tools call so, or we do: by its `key`, else by its id.
    #[must_use]
    pub fn variant_named(&self, name: &str) -> Option<VariantAt> {
        let by_key = self.variants.find(|variant| variant.key.as_deref() == Some(name));
        by_key.or_else(|| self.variant(name))
    }

    /// The variant whose range holds the bucket.
    #[must_use]
    pub fn split(&self, bucket: Bucket) -> VariantAt {
        self.variants.find(|variant| bucket.get() < variant.below).unwrap_or(VariantAt::CONTROL)
    }
}
