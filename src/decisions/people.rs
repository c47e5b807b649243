//! Users of whom it is kept what they were assigned on any device: a call asks what that is, and says what it showed.

use super::ask::Asked;
use crate::decide::Decision;
use crate::document::{Timestamp, UnitKind};
use crate::events::{Event, What};
use crate::person;
use crate::plan::{ExperimentAt, Plan};
use crate::visitor::Marks;
use crate::visitor::assignments::Assignments;

/// Whether the answer depends on what a user was assigned before: an experiment of users is asked for, or required by one
/// that is, or may share a layer with it.
#[must_use]
pub fn depends_on_people(plan: &Plan, asked: &Asked) -> bool {
    let of = |index: &ExperimentAt| plan.experiments.get(*index);
    plan.has_users
        && (asked.0.iter().filter_map(of).any(|e| e.layer.is_some())
            || plan.with_required(&asked.0).iter().filter_map(of).any(|e| e.unit == UnitKind::User && e.sticky))
}

/// What a user was assigned, by what their object answered.
#[must_use]
pub fn assignments_of(plan: &Plan, user: &str, answer: &str, now: i64) -> Assignments {
    let mut assignments = Assignments::default();
    person::join(plan, &mut assignments, Marks::of_user(user), Some(answer), now);
    assignments
}

/// What a user's object is to hear of decisions that a call counts as met: nothing of what it knows.
pub fn shown<'a>(
    plan: &Plan,
    user: &str,
    known: &Assignments,
    met: impl Iterator<Item = &'a Decision>,
    now: i64,
) -> String {
    let of_user = met.filter(|decision| decision.evidence.unit == Some(UnitKind::User));
    let variants = of_user.filter_map(|decision| Some((decision.experiment, decision.variant?)));
    person::news_of_call(plan, known, variants, Marks::of_user(user), now)
}

/// What objects are to hear of exposures that a server reports: the object's name, and what was shown.
#[must_use]
pub fn reported(plan: &Plan, events: &[Event]) -> Vec<(String, String)> {
    let news = |event: &Event| {
        let What::Exposed(exposure) = &event.what else { return None };
        let user = event.user_id.as_deref().filter(|_| exposure.unit == "user")?;
        let index = plan.experiment(&exposure.experiment_id)?;
        let e = plan.experiments.get(index).filter(|e| e.iteration == exposure.iteration)?;
        let met = core::iter::once((index, e.variant(&exposure.variant)?));
        let at = exposure.exposed_at.parse::<Timestamp>().ok()?.millis();
        let shown = person::news_of_call(plan, &Assignments::default(), met, Marks::of_user(user), at);
        (!shown.is_empty()).then(|| (person::object_name(&plan.project, user), shown))
    };
    events.iter().filter_map(news).collect()
}
