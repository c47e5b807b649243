//! Two workers in a chain: what the first tells the second, and what the second's answer means to the first.

use super::answer::Answer;
use super::{HeaderChange, Intent, VARIANTS};
use crate::plan::Plan;
use crate::visitor::Visitor;
use crate::visitor::assignments::{Assignments, Bearer, IdProof, tag_key};
use crate::visitor::handover::{self, Handover, joined};

impl Intent {
    /// What the worker before this one told of its variants; empty where there is none.
    pub(super) fn handed_variants(&self) -> &str {
        let handover = self.visitor().and_then(|visitor| visitor.handover.as_ref());
        handover.map_or("", |handover| &handover.variants)
    }

    /// The variants as the origin is told them: those of the worker before this one and its own.
    #[must_use]
    pub fn told_in_chain(&self, plan: &Plan) -> String {
        let own = if plan.headers.to_origin { &*self.told_origin } else { "" };
        match self.handed_variants() {
            "" => own.to_owned(),
            handed => joined(handed, own),
        }
    }

    /// Adds to a request what lets another Sortition worker take the visitor over. Only where there is a secret to prove
    /// it with.
    #[inline(never)]
    pub fn hand_over(&self, plan: &Plan, secret: Option<&[u8]>, changes: &mut Vec<HeaderChange>) {
        let Some(secret) = secret else { return };
        changes.retain(|change| !matches!(change, HeaderChange::Set(name, _) if *name == handover::HEADER));
        let Some(visitor) = self.visitor().filter(|_| self.depends_on_visitor) else { return };
        if !plan.headers.to_origin {
            return;
        }
        let variants = changes.iter().find_map(|change| match change {
            HeaderChange::Set(name, value) if *name == VARIANTS => Some(value.clone()),
            _ => None,
        });
        let handover = Handover {
            visitor: visitor.id.clone(),
            returning: visitor.returning,
            session: visitor.session.as_ref().map(|(id, _)| id.clone()),
            variants: variants.unwrap_or_default(),
        };
        changes.push(HeaderChange::Set(handover::HEADER, handover.seal(secret)));
    }
}

/// Puts what the worker behind this one assigned to the visitor's assignments, for the one cookie that both share.
#[inline(never)]
pub(super) fn join_assignments(
    plan: &Plan,
    answer: &Answer<'_>,
    visitor: &Visitor,
    secret: Option<&[u8]>,
    assignments: &mut Assignments,
) {
    let (Some(handed), Some(secret)) = (answer.assignments, secret) else { return };
    let key = tag_key(secret);
    let bearer = Bearer { visitor: visitor.id.as_str(), id: IdProof::Signed, key: Some(&key) };
    let handed = Assignments::read(handed, plan, bearer);
    // why: what was assigned to a session is read as long as the cookie names that session
    if let (Some(session), None) = (handed.session(), assignments.session()) {
        assignments.turn_to_session(session);
    }
    for entry in handed.entries() {
        let is_of_this = plan.with_key(entry.key).next().is_some();
        if !is_of_this && !assignments.entries().contains(entry) {
            assignments.put(entry.clone(), |_| true);
        }
    }
}
