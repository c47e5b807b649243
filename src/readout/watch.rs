//! What the scheduled guard does about running experiments: ends what breaches its own conditions, holds and releases ramps,
//! moves a bandit's weights, and tells people. Pure: it says what to write and to whom to speak, and `edge` does it.

mod bandit;
mod news;
mod ramp;

pub use news::{Told, body};

use super::Known;
use super::breach::{Breach, Cause, breaches, causes};
use super::gate_level::GateLevel;
use super::types::{Held, Phase, Results};
use crate::document::{Allocation, Document, Experiment, GuardrailAct, News, Notify, Status, Timestamp};
use crate::plan::KillGuard;

/// Whether the guard has anything to do with an experiment.
#[must_use]
pub fn is_watched(document: &Document, experiment: &Experiment) -> bool {
    let acts = |act: Option<GuardrailAct>| act.is_some();
    experiment.status == Status::Running
        && (!causes(experiment).is_empty()
            || experiment.ramp.iter().any(|step| step.condition.is_some())
            || experiment.allocation == Allocation::Bandit
            || experiment.metrics.iter().flat_map(|metrics| &metrics.guardrails).any(|guardrail| acts(guardrail.act))
            || document.notify.iter().flat_map(Notify::all).any(|notice| notice.on.iter().any(|on| *on != News::Ended)))
}

/// What the guard does about one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acts {
    /// Breaches that end it, which have not ended this iteration before.
    pub ended: Vec<Breach>,
    /// What is told, each once by its name.
    pub told: Vec<Told>,
    /// Names to keep, so that nothing is done or told twice.
    pub notes: Vec<String>,
}

/// Decides about an experiment by its results, and puts holds, weights and kills into `guard`.
pub fn watch(
    document: &Document,
    experiment: &Experiment,
    results: &Results,
    known: &Known,
    guard: &mut KillGuard,
    now: Timestamp,
) -> Acts {
    let mut acts = Acts::default();
    // why: what the record lacks looks as if it had not happened; how the origin answers is told by counters of its own
    let is_complete = !results.gates.iter().any(|gate| gate.name == "record" && gate.level == GateLevel::Red);
    for breach in breaches(experiment, results) {
        if !is_complete && breach.cause != Cause::Errors {
            continue;
        }
        if !known.was_ended(experiment, breach.cause) {
            acts.told.push(Told::new(experiment, News::Ended, breach.cause.word(), breach.reason.clone()));
            acts.ended.push(breach);
        }
    }
    if !acts.ended.is_empty() && !guard.experiments.contains(&experiment.id) {
        guard.experiments.push(experiment.id.clone());
    }
    if experiment.starts_at.is_none() && results.phase == Phase::Running && !known.has_note(&begun(experiment)) {
        acts.notes.push(begun(experiment));
    }
    ramp::advance(experiment, results, known, guard, now, &mut acts);
    if experiment.allocation == Allocation::Bandit && is_complete {
        bandit::advance(experiment, results, known, guard, now, &mut acts);
    }
    // why: whoever has decided knows
    if experiment.decision.is_none() {
        news::collect(document, experiment, results, known, now, &mut acts);
    }
    acts.told.retain(|told| !known.has_note(&told.name));
    acts.notes.extend(acts.told.iter().map(|told| told.name.clone()));
    acts
}

/// The name of the note of when an experiment without a written start was first seen running.
fn begun(experiment: &Experiment) -> String {
    format!("{}/{}/begun", experiment.id, experiment.iteration)
}

/// When an experiment began: as written, or else when the guard first saw it running. `None`: it has not seen it yet.
fn began(experiment: &Experiment, known: &Known) -> Option<Timestamp> {
    experiment.starts_at.or_else(|| known.note(&begun(experiment)))
}

/// Forgets what the guard said of experiments that the document no longer runs.
pub fn tidy(document: &Document, known: &Known, guard: &mut KillGuard) {
    let running =
        |id: &crate::document::Id| document.experiments.iter().find(|e| e.id == *id && e.status == Status::Running);
    // why: a new iteration, or one that is over, was not ended by it; what was ended just now is not in the record yet
    let before = &known.guard.experiments;
    guard.experiments.retain(|id| running(id).is_some_and(|e| !before.contains(id) || known.was_ended_at_all(e)));
    guard.hold.retain(|id, _| running(id).is_some_and(|e| e.ramp.iter().any(|step| step.condition.is_some())));
    guard.weights.retain(|id, _| running(id).is_some_and(|e| e.allocation == Allocation::Bandit));
}

/// Whether the guard keeps an experiment's traffic below what its document says by now, and what it waits for.
pub(super) fn held(experiment: &Experiment, results: &Results, known: &Known, now: Timestamp) -> Option<Held> {
    ramp::held(experiment, results, known, now)
}
