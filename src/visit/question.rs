//! What has to be asked of the world before it can be decided for a person.

use super::{Joined, Question, World};
use crate::decide::{Decision, Reason};
use crate::person;
use crate::plan::Plan;
use crate::visitor::assignments::Assignments;
use crate::visitor::{Consented, Marks, Visitor};

/// What has to be asked before it can be decided for a person; what was answered already is taken in.
pub fn question(plan: &Plan, visitor: &mut Visitor, world: World<'_>) -> Option<Question> {
    if let (Some(token), None) = (&visitor.unproven, world.token_holds) {
        let settings = plan.visitor.user_jwt.as_ref()?;
        let key = settings.key.as_ref().map(|key| key.text().to_owned()).unwrap_or_default();
        let (signed, signature) = (token.signed.clone(), token.signature.clone());
        return Some(Question::Verify { alg: settings.alg, key, signed, signature, expires_at: token.expires_at });
    }
    let user = visitor.user.as_deref().filter(|_| visitor.consent == Consented::All)?;
    let marks = Marks::of_user(user);
    let answer = match world.joined {
        Joined::Never => return None,
        Joined::NotYet => return join_question(plan, &visitor.assignments, user, marks, world.now),
        Joined::Late => None,
        Joined::Answer(answer) => Some(answer),
    };
    person::join(plan, &mut visitor.assignments, marks, answer, world.now);
    if answer.is_some() {
        // why: the object was told of it with the question
        person::claim(plan, &mut visitor.assignments, marks, world.now);
    }
    visitor.assignments.outdate();
    None
}

/// What to ask where the decisions assign a user what this browser has nothing of: since their devices were joined another one
/// may have shown it.
pub fn question_of_new(plan: &Plan, visitor: &Visitor, decisions: &[Decision], world: World<'_>) -> Option<Question> {
    let consents = visitor.consent == Consented::All && world.joined == Joined::NotYet;
    let user = visitor.user.as_deref().filter(|_| consents && plan.has_users)?;
    let assigned = decisions.iter().filter(|it| matches!(it.reason, Reason::Split | Reason::Holdout));
    let (assigned, marks) = (assigned.map(|decision| decision.experiment), Marks::of(visitor));
    let is_due = person::is_due_again(plan, &visitor.assignments, assigned, marks, world.now);
    is_due.then(|| join(plan, &visitor.assignments, user, Marks::of_user(user), world.now))
}

pub(super) fn join_question(
    plan: &Plan,
    assignments: &Assignments,
    user: &str,
    marks: Marks,
    now: i64,
) -> Option<Question> {
    person::is_due(plan, assignments, marks).then(|| join(plan, assignments, user, marks, now))
}

fn join(plan: &Plan, assignments: &Assignments, user: &str, marks: Marks, now: i64) -> Question {
    Question::Join {
        object: person::object_name(&plan.project, user),
        shown: person::shown(plan, assignments, marks, now),
    }
}
