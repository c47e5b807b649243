//! What looks at several decisions of a page at once: of those who cannot act together one does.

use super::{Decision, Reason};
use crate::plan::{ExperimentAt, Plan};
use crate::sort::sort_by_key;

/// Settles between the decisions of a page, and those of experiments that they require.
#[inline(never)]
pub(super) fn all(plan: &Plan, decisions: &mut [Decision], mut required: Vec<Decision>) {
    layers(plan, decisions);
    conflicts(plan, decisions);
    required.retain(|required| decisions.iter().all(|decision| decision.experiment != required.experiment));
    dependents(plan, decisions, &mut required);
}

/// Of experiments of one layer that are new to a person at once, which their different units can bring about, only the
/// one of highest priority has them; of equals the first.
fn layers(plan: &Plan, decisions: &mut [Decision]) {
    let layer = |decision: &Decision| match decision.reason {
        Reason::Split => plan.experiments.get(decision.experiment).and_then(|e| Some((e.layer?.layer, e.priority))),
        _ => None,
    };
    let mut taken: Vec<(usize, i32, ExperimentAt)> = Vec::new();
    for decision in decisions.iter() {
        let Some((layer, priority)) = layer(decision) else { continue };
        match taken.iter_mut().find(|(other, _, _)| *other == layer) {
            Some(first) if first.1 < priority => *first = (layer, priority, decision.experiment),
            Some(_) => {}
            None => taken.push((layer, priority, decision.experiment)),
        }
    }
    for decision in decisions {
        let Some((layer, _)) = layer(decision) else { continue };
        let Some((_, _, first)) = taken.iter().find(|(other, _, _)| *other == layer) else { continue };
        if *first != decision.experiment {
            decision.reason = Reason::Layer;
            decision.variant = None;
            decision.evidence.other = Some(*first);
        }
    }
}

/// Of experiments that share a conflict key only one acts: what is forced before all others, because somebody wants to see
/// it; then what the person keeps before what they do not have yet; then the one of highest priority, and of equals the
/// first.
fn conflicts(plan: &Plan, decisions: &mut [Decision]) {
    let keys = |decision: &Decision| plan.experiments.get(decision.experiment).map_or(&[][..], |e| &e.conflicts);
    if !decisions.iter().any(|decision| !keys(decision).is_empty()) {
        return;
    }
    let mut order: Vec<usize> = (0..decisions.len()).collect();
    sort_by_key(&mut order, |&position| {
        decisions.get(position).map(|decision| {
            let priority = plan.experiments.get(decision.experiment).map_or(0, |e| e.priority);
            let rank = match decision.reason {
                Reason::Forced => 0,
                Reason::Sticky => 1,
                _ => 2,
            };
            (rank, core::cmp::Reverse(priority), position)
        })
    });
    let mut owned: Vec<(u32, ExperimentAt)> = Vec::new();
    for position in order {
        let Some(decision) = decisions.get_mut(position).filter(|decision| decision.reason.acts()) else { continue };
        let rival = owned.iter().find(|(key, _)| keys(decision).contains(key)).map(|(_, owner)| *owner);
        match rival {
            Some(owner) if decision.reason != Reason::Forced => {
                decision.reason = Reason::Conflict;
                decision.variant = None;
                decision.evidence.other = Some(owner);
            }
            _ => owned.extend(keys(decision).iter().map(|&key| (key, decision.experiment))),
        }
    }
}

/// An experiment that lost its surface or its layer acts for nobody, so those that require it do not either, also where the chain of
/// requirements leads through experiments that are not on this page. What had already lost to one of those stays out: the
/// outcome must not depend on who is asked first.
fn dependents(plan: &Plan, decisions: &mut [Decision], elsewhere: &mut [Decision]) {
    loop {
        let lost: Vec<ExperimentAt> = decisions
            .iter()
            .chain(elsewhere.iter())
            .filter(|decision| matches!(decision.reason, Reason::Conflict | Reason::Requires | Reason::Layer))
            .map(|decision| decision.experiment)
            .collect();
        let dependent = decisions.iter_mut().chain(elsewhere.iter_mut()).find_map(|decision| {
            if !matches!(decision.reason, Reason::Sticky | Reason::Split) {
                return None;
            }
            let e = plan.experiments.get(decision.experiment)?;
            let parent = e.requires.iter().map(|(parent, _)| *parent).find(|parent| lost.contains(parent))?;
            Some((decision, parent))
        });
        let Some((decision, parent)) = dependent else { return };
        decision.reason = Reason::Requires;
        decision.variant = None;
        decision.evidence.other = Some(parent);
    }
}
