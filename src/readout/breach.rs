//! What ends an experiment without anybody: a breach of what its `rollback.when` names.

use super::Known;
use super::gate_level::{Gate, GateLevel};
use super::number::{count, lift, percent};
use super::types::{Health, Results};
use crate::document::{Experiment, GuardrailAct, RollbackCause};
use crate::stats::srm_sequential;

/// What may end an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A guardrail is shown to be worse.
    Guardrail,
    /// The split is not what the weights promise.
    Srm,
    /// The origin fails more often for a variant than for the control.
    Errors,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Guardrail, Self::Srm, Self::Errors];

    /// Its word in `rollback.when`, and in the reason that is recorded.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Guardrail => "guardrail",
            Self::Srm => "srm",
            Self::Errors => "errors",
        }
    }
}

/// The causes that an experiment's `rollback.on` lists. A document of before `on` named them in the sentence of
/// `rollback.when`, in the singular or plural, and is read so where `on` is empty.
#[must_use]
pub fn causes(experiment: &Experiment) -> Vec<Cause> {
    let listed = experiment.rollback.as_ref().map_or(&[][..], |rollback| &rollback.on);
    if !listed.is_empty() {
        let of = |cause: &Cause| match cause {
            Cause::Guardrail => RollbackCause::Guardrail,
            Cause::Srm => RollbackCause::Srm,
            Cause::Errors => RollbackCause::Errors,
        };
        return Cause::ALL.into_iter().filter(|cause| listed.contains(&of(cause))).collect();
    }
    let when = experiment.rollback.as_ref().map_or("", |rollback| rollback.when.as_str()).to_ascii_lowercase();
    let singular = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    let words: Vec<String> = when.split(|c: char| !c.is_ascii_alphanumeric()).map(singular).collect();
    Cause::ALL.into_iter().filter(|cause| words.contains(&singular(cause.word()))).collect()
}

/// A breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What was breached.
    pub cause: Cause,
    /// The variant at fault, where one is.
    pub variant: Option<String>,
    /// What happened, with the numbers: `errors: …`.
    pub reason: String,
}

/// The errors of a variant from which anything is concluded.
const FEWEST_ERRORS: i64 = 10;

/// How sure the test of errors is beforehand that all variants fail alike: little, for there are few errors.
const CONCENTRATION: f64 = 10.0;

/// The breaches of what the experiment names, by results of [`super::Depth::List`] or more.
#[must_use]
pub fn breaches(experiment: &Experiment, results: &Results) -> Vec<Breach> {
    let found = |cause: Cause, variant: Option<String>, text: String| Breach {
        cause,
        variant,
        reason: format!("{}{text}", opening(cause, experiment.iteration)),
    };
    let mut breaches = Vec::new();
    let named = causes(experiment);
    let guardrails = || experiment.metrics.iter().flat_map(|metrics| &metrics.guardrails);
    // why: what a guardrail says of itself comes before what the rollback says of all
    let kills = |metric: &str| match guardrails().find(|one| one.metric.as_str() == metric).and_then(|one| one.act) {
        Some(act) => act == GuardrailAct::Kill,
        None => named.contains(&Cause::Guardrail),
    };
    for cause in Cause::ALL {
        if cause != Cause::Guardrail && !named.contains(&cause) {
            continue;
        }
        match cause {
            Cause::Guardrail => {
                for metric in results.metrics.iter().filter(|metric| kills(&metric.id)) {
                    for comparison in metric.comparisons.iter().filter(|one| one.guardrail == Some("harm")) {
                        let change = comparison.lift.map_or_else(String::new, |value| format!(" ({})", lift(value)));
                        let text = format!("{} is worse in {}{change}", metric.id, comparison.variant);
                        breaches.push(found(cause, Some(comparison.variant.clone()), text));
                    }
                }
            }
            Cause::Srm => {
                let red = |gate: &&Gate| gate.name == "srm" && gate.level == GateLevel::Red;
                breaches.extend(results.gates.iter().find(red).map(|gate| found(cause, None, gate.text.clone())));
            }
            Cause::Errors => breaches.extend(failing(results).map(|(variant, text)| found(cause, Some(variant), text))),
        }
    }
    breaches
}

/// The variant for which the origin fails more often than for the control, if one does.
///
/// Were all variants alike, errors would fall on them as requests do: so this is the sequential test of a split, which may
/// be asked every few minutes, of the errors against the requests. It needs no error in the control.
fn failing(results: &Results) -> Option<(String, String)> {
    let is_control = |one: &&Health| results.variants.first().is_some_and(|first| first.id == one.variant);
    let control = results.health.iter().find(is_control)?;
    let treatments = results.health.iter().filter(|one| !is_control(one));
    let rate = |one: &Health| one.errors as f64 / (one.requests as f64).max(1.0);
    let worst = treatments.max_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    if worst.errors < FEWEST_ERRORS || rate(worst) <= rate(control) {
        return None;
    }
    let pair = [control, worst];
    let errors = pair.iter().map(|one| one.errors as f64).collect();
    let requests: Vec<f64> = pair.iter().map(|one| one.requests as f64).collect();
    let test = srm_sequential(&[errors], &requests, CONCENTRATION, crate::stats::Level::ONE_IN_A_THOUSAND).ok()?;
    test.flagged_at?;
    let shown =
        |one: &Health| format!("{} of {} requests ({})", count(one.errors), count(one.requests), percent(rate(one)));
    let text = format!(
        "the origin failed for {} in {}, for {} in {}",
        worst.variant,
        shown(worst),
        control.variant,
        shown(control)
    );
    Some((worst.variant.clone(), text))
}

/// How a reason starts that is recorded of an iteration.
fn opening(cause: Cause, iteration: u32) -> String {
    format!("{} in iteration {iteration}: ", cause.word())
}

impl Known {
    /// Whether the cause has ended this iteration before.
    #[must_use]
    pub fn was_ended(&self, experiment: &Experiment, cause: Cause) -> bool {
        let opening = opening(cause, experiment.iteration);
        // why: the event of it is in the record minutes later, and the note at once
        self.has_note(&format!("{}/{}/told/ended/{}", experiment.id, experiment.iteration, cause.word()))
            || self.endings.iter().any(|row| row.text(0) == experiment.id.as_str() && row.text(2).starts_with(&opening))
    }

    /// Whether any cause has ended this iteration.
    pub(super) fn was_ended_at_all(&self, experiment: &Experiment) -> bool {
        Cause::ALL.into_iter().any(|cause| self.was_ended(experiment, cause))
    }
}
