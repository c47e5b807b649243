//! Counting what the engine decides.

use crate::cli::request::Given;
use crate::decide::{Asker, Decision, Reason, decide};
use crate::facts::{Facts, Person, Request};
use crate::plan::{Plan, Position};
use crate::url::Url;
use crate::visit::{Visit, World};
use crate::visitor::assignments::Assignments;
use crate::visitor::crawler::Crawlers;
use crate::visitor::{Consented, Visitor, VisitorId};

/// Overlap is counted for the first so many experiments, since pairs grow with the square.
pub(super) const PAIRED: usize = 64;

/// What every visitor meets.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: Given,
    pub(super) method: String,
    pub(super) url: String,
    /// Whether all experiments are on the one page; else each is on its own.
    pub(super) together: bool,
    pub(super) now: i64,
}

/// What was decided for one experiment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Per reason, in the order of [`Reason::ALL`].
    pub(super) reasons: Vec<u64>,
    /// Per variant, of the visitors that it acts for.
    pub(super) variants: Vec<u64>,
    /// Of those, the ones that were split: what the sample ratio is of.
    pub(super) split: Vec<u64>,
    /// Visitors whose slot of the layer it owns.
    pub(super) in_slots: u64,
}

/// What was decided for everybody.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) experiments: Vec<Counted>,
    /// Visitors that both experiments of a pair act for, row by row of [`PAIRED`].
    pub(super) pairs: Vec<u64>,
    /// Visitors in the holdout.
    pub(super) held_out: u64,
}

impl Tally {
    /// Decides for a visitor and counts it.
    pub(super) fn add(&mut self, stage: &Stage<'_>, id: &str) {
        let plan = stage.plan;
        if self.experiments.is_empty() {
            let blank = |e: &crate::plan::Experiment| Counted {
                reasons: vec![0; Reason::ALL.len()],
                variants: vec![0; e.variants.len()],
                split: vec![0; e.variants.len()],
                in_slots: 0,
            };
            self.experiments = plan.experiments.iter().map(blank).collect();
            self.pairs = vec![0; PAIRED * PAIRED];
        }
        let crawlers = Crawlers::default();
        let request = Request::new(&stage.method, Url::split(&stage.url), &stage.source, &crawlers);
        let mut acting = 0_u64;
        let mut count = |decision: &Decision| {
            self.count(plan, decision);
            if decision.reason.acts() && decision.experiment.number() < PAIRED {
                acting |= 1 << decision.experiment.number();
            }
        };
        if stage.together {
            // why: a page is a page visit, with all that the worker asks before it decides
            let Some(visitor) = visitor(id) else { return };
            let world = World { now: stage.now, ..World::default() };
            let visit = Visit::of_visitor(plan, &request, visitor, world);
            visit.every_decision(&request).iter().for_each(&mut count);
        } else {
            let assignments = Assignments::default();
            let person = Person::with_id(id, &assignments);
            let facts = Facts { request: &request, person: Some(person) };
            for at in plan.experiments.positions() {
                decide(plan, &[at], &facts, Asker::Person(person), stage.now).iter().for_each(&mut count);
            }
        }
        self.pair(acting);
        self.held_out += u64::from(plan.holdout.admits(id).1);
    }

    fn count(&mut self, plan: &Plan, decision: &Decision) {
        let Some(counted) = self.experiments.get_mut(decision.experiment.number()) else { return };
        let add = |list: &mut Vec<u64>, at: Option<usize>| {
            if let Some(number) = at.and_then(|at| list.get_mut(at)) {
                *number += 1;
            }
        };
        add(&mut counted.reasons, Reason::ALL.iter().position(|reason| *reason == decision.reason));
        if decision.reason.acts() {
            add(&mut counted.variants, decision.variant.map(Position::number));
        }
        if decision.reason == Reason::Split {
            add(&mut counted.split, decision.variant.map(Position::number));
        }
        let part = plan.experiments.get(decision.experiment).and_then(|e| e.layer);
        if let (Some(slot), Some(part)) = (decision.evidence.slot, part) {
            counted.in_slots += u64::from(part.slots.contains(slot.get()));
        }
    }

    fn pair(&mut self, acting: u64) {
        let mut left = acting;
        while left != 0 {
            let one = left.trailing_zeros() as usize;
            left &= left - 1;
            let mut others = left;
            while others != 0 {
                let other = others.trailing_zeros() as usize;
                others &= others - 1;
                if let Some(number) = self.pairs.get_mut(one * PAIRED + other) {
                    *number += 1;
                }
            }
        }
    }

    /// Adds another tally.
    pub(super) fn merge(&mut self, other: Self) {
        if self.experiments.is_empty() {
            *self = other;
            return;
        }
        let sum = |into: &mut Vec<u64>, from: &[u64]| into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        for (mine, theirs) in self.experiments.iter_mut().zip(&other.experiments) {
            sum(&mut mine.reasons, &theirs.reasons);
            sum(&mut mine.variants, &theirs.variants);
            sum(&mut mine.split, &theirs.split);
            mine.in_slots += theirs.in_slots;
        }
        sum(&mut self.pairs, &other.pairs);
        self.held_out += other.held_out;
    }

    /// Visitors that both experiments act for.
    pub(super) fn both(&self, one: usize, other: usize) -> u64 {
        self.pairs.get(one.min(other) * PAIRED + one.max(other)).copied().unwrap_or(0)
    }
}

/// Somebody new, who is logged in under the visitor id.
fn visitor(id: &str) -> Option<Visitor> {
    let id = VisitorId::accept(id)?;
    Some(Visitor {
        user: Some(id.as_str().to_owned()),
        session: Some((id.clone(), false)),
        id,
        returning: false,
        assignments: Assignments::default(),
        handover: None,
        consent: Consented::All,
        unproven: None,
    })
}
