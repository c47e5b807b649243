//! What has to be asked of the world before it can be decided for a person.

use super::{Joined, Question, World};
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
    visitor.assignments.outdate();
    None
}

pub(super) fn join_question(
    plan: &Plan,
    assignments: &Assignments,
    user: &str,
    marks: Marks,
    now: i64,
) -> Option<Question> {
    person::is_due(plan, assignments, marks).then(|| Question::Join {
        object: person::object_name(&plan.project, user),
        shown: person::shown(plan, assignments, marks, now),
    })
}
