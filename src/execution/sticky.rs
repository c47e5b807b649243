//! What a visitor is assigned from now on.

use super::intent::session_mark;
use crate::decide::{Decision, Person, Reason};
use crate::document::Display;
use crate::plan::{Experiment, Plan};
use crate::visitor::Visitor;
use crate::visitor::assignments::{Assignments, Entry};

const DAY: i64 = 86_400_000;

/// The visitor's assignments with those of these decisions. An entry that says the same as before is left as it is, so
/// that the cookie is only rewritten when something changed.
pub(super) fn assigned(plan: &Plan, decisions: &[Decision], visitor: &Visitor, now: i64) -> Assignments {
    let mut assignments = visitor.assignments.clone();
    for (decision, e, variant) in decided(plan, decisions) {
        let owner = owner(visitor, decision);
        let old = visitor.assignments.of(&e.id).filter(|old| old.iteration == e.iteration);
        let same_variant = old.filter(|old| *old.variant == *variant);
        if same_variant.is_none_or(|old| owner.is_some() && old.owner != owner) {
            assignments.set(Entry {
                experiment: e.id.clone(),
                iteration: e.iteration,
                variant: variant.into(),
                day: day(now),
                // why: an exposure is of a unit; the same person under a visitor id and then a user id is met again
                exposed: false,
                displayed: same_variant.and_then(|old| old.displayed.clone()),
                owner,
            });
        }
    }
    assignments
}

/// Marks a decision's entry as exposed, displayed, or both.
pub(super) fn mark(
    assignments: &mut Assignments,
    e: &Experiment,
    visitor: &Visitor,
    exposed: bool,
    displayed: bool,
    now: i64,
) {
    let Some(old) = assignments.of(&e.id) else { return };
    let mut entry = old.clone();
    entry.exposed |= exposed;
    if displayed {
        match e.display {
            Display::Always => {}
            Display::Once => entry.displayed = Some("".into()),
            Display::OncePerVisit => entry.displayed = session_mark(visitor).map(Into::into),
        }
    }
    if entry != *old {
        entry.day = day(now);
        assignments.set(entry);
    }
}

/// The decisions that assigned a variant, with their experiment and the variant's id.
pub(super) fn decided<'a>(
    plan: &'a Plan,
    decisions: &'a [Decision],
) -> impl Iterator<Item = (&'a Decision, &'a Experiment, &'a str)> {
    decisions.iter().filter(|decision| matches!(decision.reason, Reason::Sticky | Reason::Split)).filter_map(
        |decision| {
            let e = plan.experiments.get(decision.experiment)?;
            Some((decision, e, &*e.variants.get(decision.variant?)?.id))
        },
    )
}

fn owner(visitor: &Visitor, decision: &Decision) -> Option<Box<str>> {
    let person = Person {
        visitor: visitor.id.as_str(),
        user: visitor.user.as_deref(),
        session: visitor.session.as_ref().map(|(id, _)| id.as_str()),
        assignments: &visitor.assignments,
        preview: &[],
    };
    decision.evidence.unit.and_then(|kind| person.owner(kind)).map(Into::into)
}

fn day(now: i64) -> u32 {
    u32::try_from(now.div_euclid(DAY)).unwrap_or(0)
}
