//! An experiment, as it is written.

use super::scalar::words;
use super::{
    Analysis, Approval, DecisionRecord, Hash, Id, Metrics, Mode, Page, Percent, Shadow, Slots, Timestamp, Variant,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An experiment, or a flag of another kind: who is eligible, how they are split, and what each variant does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its id, unique in the document; salts, headers, cookies and events carry it.
    pub id: Id,
    /// What it is; only an experiment exposes.
    #[serde(default)]
    pub kind: Kind,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// What is expected to change, and why.
    #[serde(default)]
    pub hypothesis: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// Who answers for what of it, by role.
    #[serde(default)]
    pub owners: BTreeMap<String, String>,
    /// How much harm it could do: `low`, `medium` or `high`.
    #[serde(default)]
    pub risk: Risk,
    /// Experiments that must be in the document for this one to make sense.
    #[serde(default)]
    pub depends_on: Vec<Id>,
    /// Where it is in its life.
    #[serde(default)]
    pub status: Status,
    /// Before this it is scheduled.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// From this on it is ready for review: control for everybody.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// Who is assigned.
    #[serde(default)]
    pub unit: UnitKind,
    /// Who is assigned where the unit is not known: a visitor until login.
    #[serde(default)]
    pub else_unit: Option<UnitKind>,
    /// Raise it to start over: new split, new data.
    #[serde(default = "one")]
    pub iteration: u32,
    /// The hash that assigns: our own, or another tool's with its salts and buckets.
    #[serde(default)]
    pub hash: Hash,
    /// The tool that assigns instead of us; we only measure.
    #[serde(default)]
    pub assigned_by: Option<String>,
    /// Its name elsewhere: in another tool, or for those who ask for decisions by call.
    #[serde(default)]
    pub key: Option<String>,
    /// Words by which decisions can be asked for together.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it acts, or is only compared with another tool.
    #[serde(default)]
    pub mode: Mode,
    /// With what a shadow's decisions are compared.
    #[serde(default)]
    pub shadow: Option<Shadow>,
    /// Whether it runs without consent, for what the shop calls strictly necessary; it is never recorded without it.
    #[serde(default)]
    pub essential: bool,
    /// Who moves the weights.
    #[serde(default)]
    pub allocation: Allocation,
    /// The share of eligible units that takes part, in per cent with two decimals.
    #[serde(default = "Percent::all")]
    pub traffic: Percent,
    /// Traffic over time: from each step's `at` on, its traffic.
    #[serde(default)]
    pub ramp: Vec<RampStep>,
    /// The layer whose slots it owns.
    #[serde(default)]
    pub layer: Option<Id>,
    /// The half-open range of the layer's 10,000 slots that it owns.
    #[serde(default)]
    pub slots: Option<Slots>,
    /// Who wins a conflict: the highest, and of equals the first of the document.
    #[serde(default)]
    pub priority: i32,
    /// Surfaces that it owns: of experiments that share one only the highest priority acts.
    #[serde(default)]
    pub conflicts: Vec<String>,
    /// The pages it is on; none: every page.
    #[serde(default)]
    pub pages: Vec<Page>,
    /// The pages it is not on, whatever `pages` says.
    #[serde(default)]
    pub except_pages: Vec<Page>,
    /// The hosts it is on, `*` for any run of characters; none: every host.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The methods it is on, HEAD with GET; none: GET and HEAD.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Who is eligible: the name of an audience, or a condition.
    #[serde(default)]
    pub audience: Option<Audience>,
    /// Variants of other experiments that a unit must have.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// Who is given a variant without being assigned to it: forced, never exposed.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Changes for an environment, merged in by `push --env`.
    #[serde(default)]
    pub env: BTreeMap<String, serde_json::Value>,
    /// Whether a unit keeps the variant it has, whatever becomes of its facts; absent: in experiments only.
    #[serde(default)]
    pub sticky: Option<bool>,
    /// How often the treatment is shown.
    #[serde(default)]
    pub display: Display,
    /// What counts as having met the variant.
    #[serde(default)]
    pub expose: Expose,
    /// The variant that everybody eligible gets from now on, without exposures.
    #[serde(default)]
    pub winner: Option<Id>,
    /// What crawlers get under the policy `baseline`; absent: the control.
    #[serde(default)]
    pub baseline: Option<Id>,
    /// What is measured.
    #[serde(default)]
    pub metrics: Option<Metrics>,
    /// How it is read.
    #[serde(default)]
    pub analysis: Option<Analysis>,
    /// Who takes it back, and when.
    #[serde(default)]
    pub rollback: Option<Rollback>,
    /// What was decided of it in the end.
    #[serde(default)]
    pub decision: Option<DecisionRecord>,
    /// Who approved it.
    #[serde(default)]
    pub approvals: Vec<Approval>,
    /// The services that it touches.
    #[serde(default)]
    pub services: Vec<String>,
    /// The kinds of data that it touches.
    #[serde(default)]
    pub data: Vec<String>,
    /// What would be harmed if it went wrong, in words.
    #[serde(default)]
    pub blast_radius: String,
    /// By when it should have left the code.
    #[serde(default)]
    pub cleanup_by: Option<Timestamp>,
    /// What of the page's search appearance it may change.
    #[serde(default)]
    pub seo: Seo,
    /// The variants; the first is the control.
    pub variants: Vec<Variant>,
}

fn one() -> u32 {
    1
}

impl Experiment {
    /// Whether a unit keeps the variant it has: as written, or else in experiments only, since a lost entitlement must
    /// take effect at once.
    #[must_use]
    pub fn is_sticky(&self) -> bool {
        self.sticky.unwrap_or(self.kind == Kind::Experiment)
    }

    /// How many of all assigned units each variant gets, in any unit of measure: by the weights or, where another tool's
    /// assignment is kept, by the widths of its ranges, since those are what splits.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        let weights = || self.variants.iter().map(|variant| variant.weight.get()).collect();
        let Hash::Like(taken) = &self.hash else { return weights() };
        let width = |[from, to]: &[f64; 2]| (to - from).max(0.0);
        let own = |id: &Id| taken.split.ranges.get(id).map_or(0.0, |ranges| ranges.iter().map(width).sum());
        let widths: Vec<f64> = self.variants.iter().map(|variant| own(&variant.id)).collect();
        if widths.iter().sum::<f64>() > 0.0 { widths } else { weights() }
    }
}

words! {
    /// What a flag is for.
    Kind {
        /// A comparison of variants: the only kind that exposes.
        #[default] Experiment,
        /// A feature on its way to everybody.
        Release,
        /// A switch for operations.
        Ops,
        /// A feature for some.
        Permission,
    }
}
words! {
    /// How much harm an experiment could do.
    Risk {
        /// A headline.
        #[default] Low,
        /// A form.
        Medium,
        /// A checkout.
        High,
    }
}
words! {
    /// Where an experiment is in its life.
    Status {
        /// Being written: shown in previews only.
        #[default] Draft,
        /// On.
        Running,
        /// Off for now; who was assigned keeps the variant for later.
        Paused,
        /// Over.
        Completed,
    }
}
words! {
    /// Who is assigned.
    UnitKind {
        /// A browser, by the visitor cookie.
        #[default] Visitor,
        /// A person who is logged in.
        User,
        /// A browser session.
        Session,
    }
}

impl UnitKind {
    /// The word for it in documents, events and the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::User => "user",
            Self::Session => "session",
        }
    }
}

words! {
    /// Who moves the weights.
    Allocation {
        /// Nobody.
        #[default] Fixed,
        /// The worker, towards the better variants: for many options where learning is not the aim.
        Bandit,
    }
}
words! {
    /// How often the treatment is shown to a unit.
    Display {
        /// On every page view.
        #[default] Always,
        /// On the first page view only.
        Once,
        /// On the first page view of a browser session.
        OncePerVisit,
    }
}
words! {
    /// What counts as having met the variant.
    Expose {
        /// The page was delivered.
        #[default] Page,
        /// An element that some variant changes was on the page.
        Selector,
        /// The origin said so, in `Sortition-Expose`.
        Origin,
    }
}

/// From a time on, a traffic.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RampStep {
    /// From when.
    pub at: Timestamp,
    /// In per cent, two decimals.
    pub traffic: Percent,
    /// What must hold for the step to be taken; absent: nothing.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<RampCondition>,
    /// How many hours the step before must have run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_hours: Option<f64>,
}

words! {
    /// What must hold for a ramp step to be taken.
    RampCondition {
        /// No gate is red and no guardrail broken.
        #[default] Healthy,
    }
}

/// The name of an audience, or a condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected the name of an audience, or a condition such as {\"country\": \"US\"}")]
pub enum Audience {
    /// The name of one of the document's audiences.
    Named(Id),
    /// A condition.
    Condition(serde_json::Map<String, serde_json::Value>),
}

/// A variant of another experiment that a unit must have.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The other experiment.
    pub experiment: Id,
    /// Its variant.
    pub variant: Id,
}

/// Who is given a variant without being assigned to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Who.
    pub audience: Audience,
    /// Which variant.
    pub variant: Id,
}

/// Who takes an experiment back, and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Rollback {
    /// Who.
    pub owner: String,
    /// When, in words, for people.
    pub when: String,
    /// What makes the worker end the experiment by itself.
    pub on: Vec<RollbackCause>,
}

words! {
    /// What makes the worker end an experiment by itself.
    RollbackCause {
        /// A guardrail is broken.
        #[default] Guardrail,
        /// A sample ratio mismatch.
        Srm,
        /// The origin answers a variant with errors.
        Errors,
    }
}

/// What of the page's search appearance an experiment may change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Seo {
    /// Protected elements that its rewrites may touch, and headers that its `response_headers` may set.
    pub allow: Vec<Protected>,
    /// Whether `h1` is protected too.
    pub protect_h1: bool,
}

/// An element or a header that search engines read, protected from what variants do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Protected {
    /// `title`.
    Title,
    /// `link[rel=canonical]`.
    Canonical,
    /// `link[rel=alternate]`.
    Alternate,
    /// `meta[name=robots]`.
    Robots,
    /// `meta[name=description]`.
    Description,
    /// `script[type="application/ld+json"]`.
    StructuredData,
    /// `h1`, where `protect_h1` is set.
    H1,
    /// The header `X-Robots-Tag`; `robots` allows it too.
    #[serde(rename = "X-Robots-Tag", alias = "x-robots-tag")]
    XRobotsTag,
    /// The header `Link`; `canonical` and `alternate` allow it too, since it may say either.
    #[serde(rename = "Link", alias = "link")]
    Link,
    /// The header `Content-Language`.
    #[serde(rename = "Content-Language", alias = "content-language")]
    ContentLanguage,
}

impl Protected {
    /// Its word in `seo.allow`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Canonical => "canonical",
            Self::Alternate => "alternate",
            Self::Robots => "robots",
            Self::Description => "description",
            Self::StructuredData => "structured-data",
            Self::H1 => "h1",
            Self::XRobotsTag => "X-Robots-Tag",
            Self::Link => "Link",
            Self::ContentLanguage => "Content-Language",
        }
    }

    /// The words that allow a variant to set a header; none: nothing has to.
    #[must_use]
    pub fn of_header(name: &str) -> &'static [Self] {
        [
            ("x-robots-tag", &[Self::XRobotsTag, Self::Robots][..]),
            ("link", &[Self::Link, Self::Canonical, Self::Alternate][..]),
            ("content-language", &[Self::ContentLanguage][..]),
        ]
        .into_iter()
        .find(|(header, _)| name.eq_ignore_ascii_case(header))
        .map_or(&[], |(_, words)| words)
    }
}
