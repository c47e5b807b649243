//! The shared copy: one answer of the origin for everybody who would be sent the same, kept at the edge before anything
//! of a visitor is added to it.

use super::Intent;
use super::intent::list;
use crate::decide::Decision;
use crate::facts::{Request, Source};
use crate::plan::Plan;

impl Intent {
    /// What tells this visitor's copy from others, where the page may come from a shared one: a page that the document
    /// names under `cache`, asked for by GET, whole, and without credentials. It is the variants that the origin renders
    /// itself, as it is told them; variants that are made of the copy at the edge are none of the origin's business.
    #[must_use]
    pub fn shared<S: Source>(&self, plan: &Plan, request: &Request<'_, S>) -> Option<String> {
        if !plan.shares(request.method, &request.url)
            || self.is_preview()
            || ["authorization", "range"].iter().any(|name| request.header(name).is_some())
        {
            return None;
        }
        let by_origin = |decision: &&Decision| plan.experiments.get(decision.experiment).is_some_and(|e| e.by_origin);
        let decisions: Vec<Decision> = self.decisions.iter().filter(by_origin).cloned().collect();
        let told = |it: &Decision| plan.headers.to_origin && (it.reason.acts() || it.reason.tells_origin());
        Some(list(plan, &decisions, told))
    }
}
