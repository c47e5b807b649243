//! What a change does to the visitors that are in an experiment now, with the assignments that their cookies keep.

use crate::cli::crowd::{Crowd, survey};
use crate::cli::request::Given;
use crate::cli::{Failure, input};
use crate::decide::{Asker, Decision, Reason, decide};
use crate::document::{Document, UnitKind};
use crate::facts::{Facts, Person, Request};
use crate::plan::{Experiment, ExperimentAt, Plan};
use crate::url::Url;
use crate::visitor::assignments::{Assignments, Entry, mark_of};
use crate::visitor::crawler::Crawlers;

/// The impact on one experiment, in visitors.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Impact {
    pub(in crate::cli) experiment: String,
    pub(in crate::cli) visitors: u64,
    before: u64,
    after: u64,
    changed: u64,
    left: u64,
    entered: u64,
}

#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Impact {
    /// The share of all visitors that it acts for before.
    pub(in crate::cli) fn share_before(&self) -> f64 {
        share(self.before, self.visitors)
    }
    /// The share of all visitors that it acts for after.
    pub(in crate::cli) fn share_after(&self) -> f64 {
        share(self.after, self.visitors)
    }
    /// Of those in it before, the share that gets another variant.
    pub(in crate::cli) fn share_changed(&self) -> f64 {
        share(self.changed, self.before)
    }
    /// Of those in it before, the share that is out.
    pub(in crate::cli) fn share_left(&self) -> f64 {
        share(self.left, self.before)
    }
    /// The share of all visitors that comes in.
    pub(in crate::cli) fn share_entered(&self) -> f64 {
        share(self.entered, self.visitors)
    }
}

/// The impact on every experiment that acts for somebody before or after. Audiences are asked of a plain request, so a
/// share is of visitors who fit them as that request does.
pub(super) fn impacts(old: &Document, new: &Document, crowd: &Crowd, now: i64) -> Result<Vec<Impact>, Failure> {
    let (old, new) = (input::compiled(old)?, input::compiled(new)?);
    let ids: Vec<&str> = old
        .experiments
        .iter()
        .map(|e| &*e.id)
        .chain(new.experiments.iter().map(|e| &*e.id).filter(|id| old.experiment(id).is_none()))
        .collect();
    let pairs: Vec<(Option<ExperimentAt>, Option<ExperimentAt>)> =
        ids.iter().map(|id| (old.experiment(id), new.experiment(id))).collect();
    let step = |impacts: &mut Vec<Impact>, id: &str| {
        impacts.resize_with(pairs.len(), Impact::default);
        for (impact, (before, after)) in impacts.iter_mut().zip(&pairs) {
            follow(impact, id, (&old, *before), (&new, *after), now);
        }
    };
    let merge = |all: &mut Vec<Impact>, other: Vec<Impact>| {
        all.resize_with(pairs.len(), Impact::default);
        for (sum, part) in all.iter_mut().zip(other) {
            sum.before += part.before;
            sum.after += part.after;
            sum.changed += part.changed;
            sum.left += part.left;
            sum.entered += part.entered;
        }
    };
    let mut impacts = survey(crowd, step, merge, |_| {})?;
    for (impact, id) in impacts.iter_mut().zip(&ids) {
        (*id).clone_into(&mut impact.experiment);
        impact.visitors = crowd.len();
    }
    impacts.retain(|impact| impact.before + impact.after > 0);
    Ok(impacts)
}

fn follow(
    impact: &mut Impact,
    id: &str,
    old: (&Plan, Option<ExperimentAt>),
    new: (&Plan, Option<ExperimentAt>),
    now: i64,
) {
    let mut assignments = Assignments::default();
    let before = outcome(old, id, &assignments, now);
    if let Some((e, variant, reason)) = before
        && matches!(reason, Reason::Split | Reason::Sticky)
    {
        let owner = (e.unit == UnitKind::User).then(|| mark_of(id));
        if e.unit == UnitKind::Session {
            assignments.turn_to_session(mark_of(id));
        }
        owner.iter().for_each(|owner| assignments.greet(*owner));
        let code = e.variant(variant).and_then(|variant| e.variants.get(variant)).map_or(0, |variant| variant.code);
        assignments.put(Entry::new(e.assignment_key, code, e.unit, owner, 0), |_| true);
    }
    let after = outcome(new, id, &assignments, now);
    impact.before += u64::from(before.is_some());
    impact.after += u64::from(after.is_some());
    match (before, after) {
        (Some((_, was, _)), Some((_, is, _))) => impact.changed += u64::from(was != is),
        (Some(_), None) => impact.left += 1,
        (None, Some(_)) => impact.entered += 1,
        (None, None) => {}
    }
}

/// The experiment, the variant and the reason, where it acts.
fn outcome<'a>(
    (plan, at): (&'a Plan, Option<ExperimentAt>),
    id: &str,
    assignments: &Assignments,
    now: i64,
) -> Option<(&'a Experiment, &'a str, Reason)> {
    let at = at?;
    let source = Given::default();
    let crawlers = Crawlers::default();
    let request = Request::new("GET", Url::split("https://simulated.invalid/"), &source, &crawlers);
    let person = Person { returning: true, ..Person::with_id(id, assignments) };
    let facts = Facts { request: &request, person: Some(person) };
    let decisions: Vec<Decision> = decide(plan, &[at], &facts, Asker::Person(person), now);
    let decision = decisions.first().filter(|decision| decision.reason.acts())?;
    let e = plan.experiments.get(at)?;
    Some((e, &*e.variants.get(decision.variant?)?.id, decision.reason))
}
