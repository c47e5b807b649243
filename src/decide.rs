//! Plan + facts + visitor + now → decisions, each with its reason. Pure and total.
//!
//! An experiment is taken through the rules of [`Reason`] in their order, and the first that applies decides. Two things
//! look beyond one experiment: `requires` asks for the variant that another gives this unit, wherever that one's pages
//! are, and conflicts are settled after every experiment of the page has its assignment.

mod settle;

use crate::condition::{Attributes, FactKey};
use crate::document::{CrawlerPolicy, Status, UnitKind};
use crate::facts::Person;
use crate::hash::Bucket;
use crate::plan::{Experiment, ExperimentAt, Plan, Position, VariantAt};
use crate::visitor::{Kept, Marks};
use std::cell::RefCell;

/// The rule that decided, in the order in which the rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The request is not on its pages.
    Page,
    /// The kill switch is on.
    Killed,
    /// It is being written.
    Draft,
    /// It starts later.
    Scheduled,
    /// It is off for now.
    Paused,
    /// It is past its end.
    Ended,
    /// It is over.
    Completed,
    /// A crawler asks.
    Crawler,
    /// Nobody consented.
    NoConsent,
    /// A preview or an override says so.
    Forced,
    /// There is a winner.
    Winner,
    /// A required variant of another experiment is missing.
    Requires,
    /// The person keeps the variant they have.
    Sticky,
    /// The unit is not in the audience, or there is no unit of the kind.
    Audience,
    /// The unit is in the holdout, or was when it was first asked.
    Holdout,
    /// The unit's slot of the layer belongs to another, or the person is in another experiment of the layer.
    Layer,
    /// The unit is not in the traffic.
    Traffic,
    /// The unit was split.
    Split,
    /// Another experiment owns the surface.
    Conflict,
}

impl Reason {
    /// Every reason, in the order of evaluation.
    pub const ALL: [Self; 19] = [
        Self::Page,
        Self::Killed,
        Self::Draft,
        Self::Scheduled,
        Self::Paused,
        Self::Ended,
        Self::Completed,
        Self::Crawler,
        Self::NoConsent,
        Self::Forced,
        Self::Winner,
        Self::Requires,
        Self::Sticky,
        Self::Audience,
        Self::Holdout,
        Self::Layer,
        Self::Traffic,
        Self::Split,
        Self::Conflict,
    ];

    /// The word that headers, events and the tool have for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Killed => "killed",
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Completed => "completed",
            Self::Crawler => "crawler",
            Self::NoConsent => "no_consent",
            Self::Forced => "forced",
            Self::Winner => "winner",
            Self::Requires => "requires",
            Self::Sticky => "sticky",
            Self::Audience => "audience",
            Self::Holdout => "holdout",
            Self::Layer => "layer",
            Self::Traffic => "traffic",
            Self::Split => "split",
            Self::Conflict => "conflict",
        }
    }

    /// Whether the experiment acts for this unit: it gave it a variant, and the client may know.
    #[must_use]
    pub fn acts(self) -> bool {
        matches!(self, Self::Forced | Self::Winner | Self::Sticky | Self::Split)
    }

    /// Whether the origin is told, although the experiment does not act.
    #[must_use]
    pub fn tells_origin(self) -> bool {
        matches!(self, Self::Killed | Self::Crawler | Self::NoConsent)
    }

    /// Whether it was asked who the unit is: then the answer depends on the visitor.
    #[must_use]
    pub fn depends_on_visitor(self) -> bool {
        self >= Self::Crawler && self != Self::Winner
    }
}

/// What one experiment does for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its position in the plan.
    pub experiment: ExperimentAt,
    /// The rule that decided.
    pub reason: Reason,
    /// The variant, by index: where the experiment acts, or where the origin is told.
    pub variant: Option<VariantAt>,
    /// The numbers behind the reason.
    pub evidence: Evidence,
}

/// The numbers that a decision looked at: those that were not reached are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Who was assigned.
    pub unit: Option<UnitKind>,
    /// The holdout's bucket.
    pub holdout: Option<Bucket>,
    /// The layer's slot.
    pub slot: Option<Bucket>,
    /// The traffic's bucket.
    pub traffic: Option<Bucket>,
    /// The split's bucket.
    pub split: Option<Bucket>,
    /// The experiment that owns the surface, whose required variant is missing, or that has the person in its layer.
    pub other: Option<ExperimentAt>,
}

/// Who is decided for.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A crawler; the text is what the policy `mirror` hashes: host and path of the page.
    Crawler(&'a str),
    /// A person who has not consented.
    NoConsent,
    /// A person who has not consented, to whom only what is essential happens.
    Essential(Person<'a>),
    /// A person.
    Person(Person<'a>),
}

/// Decides for the experiments that are on the page (as [`Plan::on_page`] gives them, in the document's order) and
/// returns as many decisions, in the same order.
pub fn decide(
    plan: &Plan,
    on_page: &[ExperimentAt],
    facts: &impl Attributes<FactKey>,
    asker: Asker<'_>,
    now: i64,
) -> Vec<Decision> {
    let marks = match &asker {
        Asker::Person(person) | Asker::Essential(person) => person.marks(),
        _ => Marks::default(),
    };
    decided(Engine { plan, facts, asker, marks, now, compares: false, required: RefCell::default() }, on_page)
}

/// The same for a person as if experiments in shadow mode were live, to compare it with another tool.
pub fn decide_compared(
    plan: &Plan,
    on_page: &[ExperimentAt],
    facts: &impl Attributes<FactKey>,
    person: Person<'_>,
    now: i64,
) -> Vec<Decision> {
    let (asker, marks) = (Asker::Person(person), person.marks());
    decided(Engine { plan, facts, asker, marks, now, compares: true, required: RefCell::default() }, on_page)
}

fn decided<F: Attributes<FactKey>>(engine: Engine<'_, F>, on_page: &[ExperimentAt]) -> Vec<Decision> {
    let plan = engine.plan;
    let mut decisions: Vec<Decision> = on_page.iter().map(|&at| engine.assign(at, 0)).collect();
    let required = engine.required.into_inner();
    // why: one alone has nobody to give way to
    if decisions.len() + required.len() > 1 {
        settle::all(plan, &mut decisions, required);
    }
    decisions
}

/// How deep requirements may nest. A checked document has no cycles; the bound makes it certain.
const MAX_REQUIRES: usize = 32;

struct Engine<'a, F> {
    plan: &'a Plan,
    facts: &'a F,
    asker: Asker<'a>,
    marks: Marks,
    now: i64,
    /// Whether experiments in shadow mode are decided too.
    compares: bool,
    /// Assignments of experiments that others require, so that a shared one is decided once.
    required: RefCell<Vec<Decision>>,
}

impl<F: Attributes<FactKey>> Engine<'_, F> {
    /// The rules of one experiment up to the split, without conflicts.
    fn assign(&self, at: ExperimentAt, depth: usize) -> Decision {
        let mut evidence = Evidence::default();
        let (reason, variant) = match self.plan.experiments.get(at) {
            Some(experiment) => self.rules(at, experiment, depth, &mut evidence),
            None => (Reason::Page, None),
        };
        Decision { experiment: at, reason, variant, evidence }
    }

    fn rules(
        &self,
        at: ExperimentAt,
        e: &Experiment,
        depth: usize,
        evidence: &mut Evidence,
    ) -> (Reason, Option<VariantAt>) {
        if e.killed && e.shadow.is_none() {
            return (Reason::Killed, Some(VariantAt::CONTROL));
        }
        let preview = match &self.asker {
            Asker::Person(person) | Asker::Essential(person) => {
                person.preview.iter().find(|(experiment, _)| *experiment == at)
            }
            _ => None,
        };
        let previewed = preview.is_some() && matches!(self.state(e), Some(Reason::Draft | Reason::Scheduled));
        if let Some(reason) = self.state(e).filter(|_| !previewed) {
            return (reason, None);
        }
        let person = match &self.asker {
            Asker::Crawler(page) => return (Reason::Crawler, Some(self.crawler_variant(e, page))),
            Asker::NoConsent => return (Reason::NoConsent, Some(VariantAt::CONTROL)),
            Asker::Essential(_) if !e.essential => return (Reason::NoConsent, Some(VariantAt::CONTROL)),
            Asker::Essential(person) | Asker::Person(person) => person,
        };
        if let Some((_, variant)) = preview {
            return (Reason::Forced, Some(*variant));
        }
        if let Some((_, variant)) = e.overrides.iter().find(|(audience, _)| audience.matches(self.facts)) {
            return (Reason::Forced, Some(*variant));
        }
        if let Some(winner) = e.winner {
            return (Reason::Winner, Some(winner));
        }
        if let Some(missing) = e.requires.iter().find(|required| !self.has(**required, depth)) {
            evidence.other = Some(missing.0);
            return (Reason::Requires, None);
        }
        let kept = if e.sticky { self.marks.kept(self.plan, at, person.assignments, self.now) } else { None };
        if let Some(Kept { variant: Some(variant), unit, .. }) = kept {
            evidence.unit = Some(unit);
            return (Reason::Sticky, Some(variant));
        }
        if e.audience.as_ref().is_some_and(|audience| !audience.matches(self.facts)) {
            return (Reason::Audience, None);
        }
        let unit = person.unit(e.unit).map(|unit| (e.unit, unit));
        let unit = unit.or_else(|| e.else_unit.and_then(|kind| Some((kind, person.unit(kind)?))));
        // why: without a unit of its kind nobody can be in the experiment, which is what an audience says
        let Some((kind, unit)) = unit else { return (Reason::Audience, None) };
        evidence.unit = Some(kind);
        let (bucket, held_out) = self.plan.holdout.admits(unit);
        evidence.holdout = Some(bucket);
        // why: who was held out once stays so, also where they are another unit by now or the holdout shrank
        let of_layer = || e.layer.and_then(|part| part.holdout).is_some_and(|gate| gate.admits(unit).1);
        if held_out || kept.is_some() || of_layer() {
            return (Reason::Holdout, None);
        }
        if let Some(part) = &e.layer {
            if let Some(other) = self.marks.holds_layer(self.plan, at, person.assignments, self.now) {
                evidence.other = Some(other);
                return (Reason::Layer, None);
            }
            let slot = part.salt.bucket(unit);
            evidence.slot = Some(slot);
            if !part.slots.contains(slot.get()) {
                return (Reason::Layer, None);
            }
        }
        self.split(e, unit, evidence)
    }

    /// Status and schedule: the reason why it is not on, if so.
    fn state(&self, e: &Experiment) -> Option<Reason> {
        match e.status {
            // why: a shadow is no more to anybody than a draft is
            _ if e.shadow.is_some() && !self.compares => Some(Reason::Draft),
            Status::Draft => Some(Reason::Draft),
            Status::Paused => Some(Reason::Paused),
            Status::Completed => Some(Reason::Completed),
            Status::Running if e.starts_at.is_some_and(|start| self.now < start) => Some(Reason::Scheduled),
            Status::Running if e.ends_at.is_some_and(|end| end <= self.now) => Some(Reason::Ended),
            Status::Running => None,
        }
    }

    fn split(&self, e: &Experiment, unit: &str, evidence: &mut Evidence) -> (Reason, Option<VariantAt>) {
        if e.assigned_elsewhere {
            return (Reason::Traffic, None);
        }
        if let Some(takeover) = &e.takeover {
            return takeover
                .assign(unit)
                .map_or((Reason::Traffic, None), |variant| (Reason::Split, Some(VariantAt::from_number(variant))));
        }
        let bucket = e.traffic_salt.bucket(unit);
        evidence.traffic = Some(bucket);
        if bucket.get() >= e.traffic_at(self.now) {
            return (Reason::Traffic, None);
        }
        let bucket = e.variant_salt.bucket(unit);
        evidence.split = Some(bucket);
        (Reason::Split, Some(e.split(bucket)))
    }

    /// Whether the unit has this variant of another experiment, which need not be on this page.
    #[inline(never)]
    fn has(&self, (parent, variant): (ExperimentAt, VariantAt), depth: usize) -> bool {
        if depth >= MAX_REQUIRES {
            return false;
        }
        let known = self.required.borrow().iter().find(|decision| decision.experiment == parent).copied();
        let decision = known.unwrap_or_else(|| {
            let decision = self.assign(parent, depth + 1);
            self.required.borrow_mut().push(decision);
            decision
        });
        decision.reason.acts() && decision.variant == Some(variant)
    }

    #[inline(never)]
    fn crawler_variant(&self, e: &Experiment, page: &str) -> VariantAt {
        match self.plan.crawler_policy {
            CrawlerPolicy::Control => VariantAt::CONTROL,
            CrawlerPolicy::Baseline => e.baseline,
            CrawlerPolicy::Mirror => e.split(e.variant_salt.bucket(page)),
        }
    }
}
