//! The shared copy: one answer of the origin for everybody who would be sent the same, kept at the edge before anything
//! of a visitor is added to it.

use super::Intent;
use super::intent::list;
use crate::arrive::Arrival;
use crate::decide::{Decision, Reason};
use crate::facts::{Request, Source};
use crate::plan::Plan;

/// A page that may be answered from a shared copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The variants that the origin renders itself, as it is told them; they tell one copy from another. Variants that
    /// are made of the copy at the edge are none of the origin's business.
    pub variants: String,
    /// Whether the client is told if there was a copy.
    pub told_client: bool,
}

impl Intent {
    /// What tells this visitor's copy from others, where the page may come from a shared one: a page that the document
    /// names under `cache`, asked for by GET, whole, and without credentials.
    #[must_use]
    pub fn shared<S: Source>(&self, plan: &Plan, request: &Request<'_, S>) -> Option<Shared> {
        if !plan.shares(request.method, &request.url)
            || self.is_preview()
            || ["authorization", "range"].iter().any(|name| request.header(name).is_some())
        {
            return None;
        }
        let by_origin = |decision: &&Decision| plan.experiments.get(decision.experiment).is_some_and(|e| e.by_origin);
        let decisions: Vec<Decision> = self.decisions.iter().filter(by_origin).cloned().collect();
        let told = |reason: Reason| plan.headers.to_origin && (reason.acts() || reason.tells_origin());
        Some(Shared {
            variants: list(plan, &decisions, told),
            told_client: plan.headers.to_client && matches!(self.arrival, Arrival::Person(_)),
        })
    }
}
