//! Assignments out of other tools' cookies, on first sight: from then on they are kept as if they were ours.

use crate::document::UnitKind;
use crate::facts::{Request, Source};
use crate::plan::{Experiment, ExperimentAt, Plan};
use crate::visitor::adopted::{Adopted, Ids, Told};
use crate::visitor::assignments::{Entry, mark_of};
use crate::visitor::{Consented, Marks, Visitor};

const DAY: i64 = 86_400_000;

/// Takes over what other tools assigned the visitor in those of these experiments that `may` be, where the visitor has
/// nothing there yet.
#[inline(never)]
pub(crate) fn adopt<S: Source>(
    plan: &Plan,
    asked: &[ExperimentAt],
    request: &Request<'_, S>,
    visitor: &mut Visitor,
    now: i64,
    may: impl Fn(&Experiment) -> bool,
) {
    let marks = Marks::of(visitor);
    let missing: Vec<(ExperimentAt, &Experiment)> = asked
        .iter()
        .filter_map(|&index| Some((index, plan.experiments.get(index)?)))
        .filter(|(_, e)| {
            e.sticky && !e.assigned_elsewhere && may(e) && (visitor.consent != Consented::OnlyEssential || e.essential)
        })
        .filter(|(index, _)| marks.kept(plan, *index, &visitor.assignments, now).is_none())
        .collect();
    if missing.is_empty() {
        return;
    }
    let told = Told::read(&plan.visitor.adopt, request.cookie_header(), ids(visitor));
    let mut any = false;
    for (index, e) in missing {
        // why: whoever is in one experiment of a layer enters no other, also where the old tool had no layers
        if marks.holds_layer(plan, index, &visitor.assignments, now).is_some() {
            continue;
        }
        let code = match told.of(e, None) {
            Some(Adopted::Variant(variant)) => e.variants.get(variant).map(|variant| variant.code),
            Some(Adopted::LeftOut) => Some(e.held_out_code),
            None => None,
        };
        let Some((code, unit)) = code.and_then(|code| Some((code, unit_of(e, visitor)?))) else { continue };
        let owner = visitor.user.as_deref().filter(|_| e.unit == UnitKind::User).map(mark_of);
        if let Some(owner) = owner {
            visitor.assignments.greet(owner);
        }
        let day = u32::try_from(now.div_euclid(DAY)).unwrap_or(0);
        let entry = Entry::new(e.assignment_key, code, unit, owner, day);
        visitor.assignments.put(entry, |code| code == e.held_out_code || e.variant_of_code(code).is_some());
        any = true;
    }
    if any {
        visitor.assignments.outdate();
    }
}

/// The ids that a tool may have assigned by. One that was made just now it cannot know.
pub(crate) fn ids(visitor: &Visitor) -> Ids<'_> {
    Ids { visitor: visitor.returning.then(|| visitor.id.as_str()), user: visitor.user.as_deref() }
}

/// What the visitor is assigned by.
fn unit_of(e: &Experiment, visitor: &Visitor) -> Option<UnitKind> {
    let is_here = |unit: UnitKind| match unit {
        UnitKind::Visitor => true,
        UnitKind::User => visitor.user.is_some(),
        // why: an assignment of another tool's lasts longer than a session
        UnitKind::Session => false,
    };
    [Some(e.unit), e.else_unit].into_iter().flatten().find(|unit| is_here(*unit))
}
