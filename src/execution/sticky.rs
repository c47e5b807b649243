//! What a visitor is assigned from now on.

use crate::decide::{Decision, Reason};
use crate::document::{Display, Kind, UnitKind};
use crate::person;
use crate::plan::{Experiment, ExperimentAt, MeasuredHoldout, Plan, VariantAt};
use crate::visitor::assignments::{Assignments, Entry};
use crate::visitor::{Consented, Kept, Marks, Visitor};

const DAY: i64 = 86_400_000;

/// An exposure beside those of the page's own decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Besides {
    /// To what.
    pub to: ExposedTo,
    /// What was assigned.
    pub unit: UnitKind,
    /// When it was met, in milliseconds since 1970.
    pub at: i64,
}

/// What an exposure beside the page's decisions is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposedTo {
    /// A variant of an experiment, by position in the plan.
    Variant(ExperimentAt, VariantAt),
    /// The group of the measured holdout, by position in [`MeasuredHoldout::GROUPS`].
    Holdout(usize),
}

/// The visitor's assignments with those of these decisions. An entry that says the same as before is left as it is, so
/// that the cookie is only rewritten when something changed.
#[must_use]
pub fn assigned(plan: &Plan, decisions: &[Decision], visitor: &Visitor, now: i64) -> Assignments {
    let mut assignments = visitor.assignments.clone();
    let marks = Marks::of(visitor);
    if plan.has_users {
        person::claim(plan, &mut assignments, marks, now);
    }
    for decision in decisions {
        let Some(e) = plan.experiments.get(decision.experiment) else { continue };
        let Some(unit) = decision.evidence.unit else { continue };
        let code = match (decision.reason, decision.variant.and_then(|variant| e.variants.get(variant))) {
            (Reason::Split, Some(variant)) if e.remembers() => variant.code,
            (Reason::Holdout, None) if e.sticky => e.held_out_code,
            _ => continue,
        };
        let kept = marks.kept(plan, decision.experiment, &assignments, now);
        let same = kept.and_then(|kept| assignments.entries().get(kept.position));
        let stays = |entry: &Entry| entry.unit == unit || decision.reason == Reason::Holdout;
        if same.is_some_and(|entry| entry.code == code && stays(entry)) {
            continue;
        }
        if let Some(session) = marks.session.filter(|_| unit == UnitKind::Session) {
            assignments.turn_to_session(session);
        }
        let owner = marks.user.filter(|_| e.unit == UnitKind::User);
        if let Some(owner) = owner {
            assignments.greet(owner);
        }
        let entry = Entry::new(e.assignment_key, code, unit, owner, day(now));
        assignments.put(entry, |code| code == e.held_out_code || e.variant_of_code(code).is_some());
    }
    assignments
}

impl Experiment {
    /// Whether what a unit was given is written down.
    fn remembers(&self) -> bool {
        self.sticky || self.kind == Kind::Experiment || self.display != Display::Always
    }
}

/// The entry of what a decision assigned.
fn entry_of(
    plan: &Plan,
    assignments: &Assignments,
    decision: &Decision,
    visitor: &Visitor,
    now: i64,
) -> Option<(usize, Entry)> {
    let Kept { position, variant, .. } = Marks::of(visitor).kept(plan, decision.experiment, assignments, now)?;
    let entry = assignments.entries().get(position)?;
    (variant == decision.variant).then(|| (position, entry.clone()))
}

/// Whether meeting what a decision assigned is the visitor's first time, so that it is to be exposed. What belongs to a
/// user is not, while nobody is logged in: there is no unit to name.
pub(super) fn is_first(
    plan: &Plan,
    assignments: &Assignments,
    decision: &Decision,
    visitor: &Visitor,
    now: i64,
) -> bool {
    let Some(e) = plan.experiments.get(decision.experiment).filter(|e| e.kind == Kind::Experiment) else {
        return false;
    };
    let has_unit = decision.evidence.unit != Some(UnitKind::User) || visitor.user.is_some();
    let decides = matches!(decision.reason, Reason::Sticky | Reason::Split);
    decides && has_unit && e.remembers() && {
        let entry = entry_of(plan, assignments, decision, visitor, now);
        entry.is_none_or(|(_, entry)| !entry.exposed)
    }
}

/// The same, where what waits for the visitor's consent counts as met.
pub(super) fn is_unmet(
    plan: &Plan,
    assignments: &Assignments,
    decision: &Decision,
    visitor: &Visitor,
    now: i64,
) -> bool {
    let waits = || {
        let entry = entry_of(plan, assignments, decision, visitor, now);
        visitor.consent == Consented::Waits && entry.is_some_and(|(_, entry)| entry.waits_since.is_some())
    };
    is_first(plan, assignments, decision, visitor, now) && !waits()
}

/// Whether the treatment of an experiment is to be displayed, by what was displayed before.
pub(super) fn is_displayed(plan: &Plan, at: ExperimentAt, visitor: &Visitor, now: i64) -> bool {
    let Some(e) = plan.experiments.get(at) else { return true };
    if e.display == Display::Always {
        return true;
    }
    let marks = Marks::of(visitor);
    let kept = marks.kept(plan, at, &visitor.assignments, now);
    let Some(entry) = kept.and_then(|kept| visitor.assignments.entries().get(kept.position)) else { return true };
    match e.display {
        Display::Always => true,
        Display::Once => !entry.shown,
        Display::OncePerVisit => {
            !(entry.shown_in_session && marks.session.is_some() && marks.session == visitor.assignments.session())
        }
    }
}

/// Marks a decision's entry as exposed, displayed, or both.
pub(super) fn mark(
    plan: &Plan,
    assignments: &mut Assignments,
    decision: &Decision,
    visitor: &Visitor,
    (exposed, displayed): (bool, bool),
    now: i64,
) {
    let Some(e) = plan.experiments.get(decision.experiment) else { return };
    let session = Marks::of(visitor).session.filter(|_| displayed && e.display == Display::OncePerVisit);
    if let Some(session) = session
        && entry_of(plan, assignments, decision, visitor, now).is_some()
    {
        assignments.turn_to_session(session);
    }
    let Some((position, _)) = entry_of(plan, assignments, decision, visitor, now) else { return };
    assignments.change(position, day(now), |entry| {
        entry.exposed |= exposed;
        entry.shown |= displayed && e.display != Display::Always;
        entry.shown_in_session |= session.is_some();
    });
}

/// Has a decision's exposure wait for consent.
pub(super) fn wait(plan: &Plan, assignments: &mut Assignments, decision: &Decision, visitor: &Visitor, now: i64) {
    let Some((position, _)) = entry_of(plan, assignments, decision, visitor, now) else { return };
    assignments.change(position, day(now), |entry| {
        entry.waits_since = Some(entry.waits_since.unwrap_or(now));
    });
}

/// The exposures that waited for the consent that is there now. Those of more than a day ago are dropped.
#[inline(never)]
pub(super) fn released(plan: &Plan, assignments: &mut Assignments, visitor: &Visitor, now: i64) -> Vec<Besides> {
    let marks = Marks::of(visitor);
    let mut released = Vec::new();
    let waiting =
        |assignments: &Assignments| assignments.entries().iter().position(|entry| entry.waits_since.is_some());
    while let Some(position) = waiting(assignments) {
        let Some(entry) = assignments.entries().get(position).cloned() else { break };
        let at = entry.waits_since.unwrap_or(now);
        let is_here = match entry.unit {
            UnitKind::Visitor => true,
            UnitKind::User => marks.user.is_some() && marks.user == entry.owner,
            UnitKind::Session => marks.session.is_some() && marks.session == assignments.session(),
        };
        let to = exposed_to(plan, &entry).filter(|_| is_here && (0..=DAY).contains(&now.saturating_sub(at)));
        assignments.change(position, day(now), |entry| {
            entry.waits_since = None;
            entry.exposed |= to.is_some();
        });
        released.extend(to.map(|to| Besides { to, unit: entry.unit, at }));
    }
    released
}

/// Whether an exposure waits.
pub(super) fn has_waiting(assignments: &Assignments) -> bool {
    assignments.entries().iter().any(|entry| entry.waits_since.is_some())
}

fn exposed_to(plan: &Plan, entry: &Entry) -> Option<ExposedTo> {
    if let Some(holdout) = &plan.measured_holdout
        && holdout.assignment_key == entry.key
    {
        return holdout.codes.iter().position(|code| *code == entry.code).map(ExposedTo::Holdout);
    }
    plan.with_key(entry.key)
        .find_map(|index| Some(ExposedTo::Variant(index, plan.experiments.get(index)?.variant_of_code(entry.code)?)))
}

/// The group of the measured holdout that a visitor is in and was not exposed to yet.
pub(super) fn holdout_group(plan: &Plan, assignments: &Assignments, visitor: &Visitor) -> Option<usize> {
    let holdout = plan.measured_holdout.as_ref()?;
    let (bucket, held_out) = plan.holdout.admits(visitor.id.as_str());
    let is_compared = bucket.get() < holdout.compared_below;
    let is_known = || assignments.entries().iter().any(|entry| entry.key == holdout.assignment_key);
    ((held_out || is_compared) && !is_known()).then_some(usize::from(!held_out))
}

/// Notes the exposure to a group of the measured holdout, or that it waits.
pub(super) fn expose_to_holdout(
    holdout: &MeasuredHoldout,
    group: usize,
    assignments: &mut Assignments,
    visitor: &Visitor,
    now: i64,
) {
    let Some(&code) = holdout.codes.get(group) else { return };
    let entry = Entry::new(holdout.assignment_key, code, UnitKind::Visitor, None, day(now));
    let waits_since = (visitor.consent == Consented::Waits).then_some(now);
    assignments.put(Entry { exposed: waits_since.is_none(), waits_since, ..entry }, |_| true);
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

/// Whether an entry is of an experiment that is not over.
pub(super) fn is_current(plan: &Plan, entry: &Entry, now: i64) -> bool {
    if plan.measured_holdout.is_some_and(|holdout| holdout.assignment_key == entry.key) {
        return true;
    }
    plan.with_key(entry.key)
        .filter_map(|index| plan.experiments.get(index))
        .any(|e| !e.is_over(now) && (entry.code == e.held_out_code || e.variant_of_code(entry.code).is_some()))
}

fn day(now: i64) -> u32 {
    u32::try_from(now.div_euclid(DAY)).unwrap_or(0)
}
