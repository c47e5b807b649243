//! What people and tools ask of a visit that nobody else needs: what else would have been decided.

use super::{RequestKind, Visit, on_page};
use crate::decide::{Asker, Decision, Evidence, Reason, decide, decide_compared};
use crate::facts::{Facts, Person, Request, Source};
use crate::plan::{ExperimentAt, Plan};
use crate::visitor::assignments::Assignments;
use std::ops::Deref;

impl<P: Deref<Target = Plan>> Visit<P> {
    /// What would be decided for somebody of the same ids and facts who has no past: what is kept, and what for.
    #[must_use]
    pub fn decisions_anew<S: Source>(&self, request: &Request<'_, S>) -> Vec<Decision> {
        let Some(visitor) = self.intent.visitor() else { return Vec::new() };
        let on_page: Vec<ExperimentAt> = self.intent.decisions.iter().map(|decision| decision.experiment).collect();
        let nothing = Assignments::default();
        let person = Person { assignments: &nothing, ..Person::of(visitor, &[]) };
        let facts = Facts { request, person: Some(person) };
        decide(&self.plan, &on_page, &facts, Asker::Person(person), self.intent.now)
    }

    /// What experiments in shadow mode on this page decide for the person, as if they were live.
    #[must_use]
    pub fn decisions_compared<S: Source>(&self, request: &Request<'_, S>) -> Vec<Decision> {
        let Some(visitor) = self.intent.visitor() else { return Vec::new() };
        let is_shadow = |at: ExperimentAt| self.plan.experiments.get(at).is_some_and(|e| e.shadow.is_some());
        let on_page = on_page(&self.plan, request, RequestKind::of(request));
        if !on_page.iter().any(|&at| is_shadow(at)) {
            return Vec::new();
        }
        let person = Person::of(visitor, &[]);
        let facts = Facts { request, person: Some(person) };
        let mut decisions = decide_compared(&self.plan, &on_page, &facts, person, self.intent.now);
        decisions.retain(|decision| is_shadow(decision.experiment));
        decisions
    }

    /// A decision for every experiment of the document, also for those that are not on the page or do not act: what
    /// people ask who want to know why.
    #[must_use]
    pub fn every_decision<S: Source>(&self, request: &Request<'_, S>) -> Vec<Decision> {
        let plan: &Plan = &self.plan;
        let is_decided = |at: &ExperimentAt| self.intent.decisions.iter().any(|decision| decision.experiment == *at);
        let on_page = on_page(plan, request, RequestKind::of(request));
        let resting: Vec<ExperimentAt> = on_page.into_iter().filter(|index| !is_decided(index)).collect();
        // why: their status decides before it is asked who they are
        let facts = Facts { request, person: None };
        let rest = decide(plan, &resting, &facts, Asker::NoConsent, self.intent.now);
        let known = || self.intent.decisions.iter().chain(&rest);
        let not_here =
            |experiment| Decision { experiment, reason: Reason::Page, variant: None, evidence: Evidence::default() };
        plan.experiments
            .positions()
            .map(|index| known().find(|decision| decision.experiment == index).copied().unwrap_or(not_here(index)))
            .collect()
    }
}
