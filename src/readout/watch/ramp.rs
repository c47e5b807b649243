//! Ramps that wait: a step with `"if": "healthy"` is taken when no check of the data is red, no guardrail is broken, and the
//! step before has run long enough.
//!
//! The key `kill-guard` holds a cap on the traffic, which is there from before the step's time on: without it the worker would
//! take the step by the clock alone.

use super::Acts;
use super::news::Told;
use crate::document::{Experiment, GuardrailAct, News, Percent, RampStep, Timestamp};
use crate::plan::KillGuard;
use crate::readout::Known;
use crate::readout::gate_level::GateLevel;
use crate::readout::types::{Held, Results};

const HOUR_MS: f64 = 3_600_000.0;

/// The name of a step's note: by the traffic and the time, so that a step that is written anew waits anew.
fn note(experiment: &Experiment, step: &RampStep) -> String {
    format!("{}/{}/released/{}/{}", experiment.id, experiment.iteration, step.at, f64::from(step.traffic))
}

/// Where a ramp stands.
struct Stand<'a> {
    /// The traffic that the document would have by now.
    wants: f64,
    /// The most traffic until the first step that waits.
    cap: f64,
    /// The first step that waits, and when the step before it was taken; absent: none waits.
    waiting: Option<(&'a RampStep, i64)>,
}

fn stand<'a>(experiment: &'a Experiment, known: &Known, now: Timestamp) -> Stand<'a> {
    let mut steps: Vec<&RampStep> = experiment.ramp.iter().collect();
    steps.sort_by_key(|step| step.at.millis());
    let percent = |traffic: Percent| f64::from(traffic);
    let wants =
        steps.iter().rev().find(|step| step.at <= now).map_or(percent(experiment.traffic), |s| percent(s.traffic));
    let mut cap = percent(experiment.traffic);
    // why: of what the guard has not seen running before nobody knows how long it has run
    let mut taken_at = super::began(experiment, known).unwrap_or(now).millis();
    for step in &steps {
        let released = known.note(&note(experiment, step));
        if step.condition.is_some() && released.is_none() {
            return Stand { wants, cap, waiting: Some((step, taken_at)) };
        }
        taken_at = released.map_or(step.at.millis(), Timestamp::millis);
        cap = cap.max(percent(step.traffic));
    }
    Stand { wants, cap: 100.0, waiting: None }
}

/// Why a step cannot be taken yet; `None`: it can.
fn waits_for(
    experiment: &Experiment,
    step: &RampStep,
    taken_at: i64,
    results: &Results,
    now: Timestamp,
) -> Option<String> {
    if step.at > now {
        return Some(format!("its time, {}.", crate::readout::date::moment(&step.at.to_string())));
    }
    if results.killed {
        return Some("the kill to be lifted.".to_owned());
    }
    if let Some(gate) = results.gates.iter().find(|gate| gate.level == GateLevel::Red) {
        return Some(format!("the check “{}” to be green: {}", gate.title, gate.text));
    }
    let tells_only = |metric: &str| {
        let guardrails = experiment.metrics.iter().flat_map(|metrics| &metrics.guardrails);
        guardrails.into_iter().any(|one| one.metric.as_str() == metric && one.act == Some(GuardrailAct::Tell))
    };
    for metric in &results.metrics {
        if let Some(broken) = metric.comparisons.iter().find(|one| one.guardrail == Some("harm"))
            && !tells_only(&metric.id)
        {
            return Some(format!("the guardrail {} to hold: it is broken in {}.", metric.id, broken.variant));
        }
    }
    let hours = step.min_hours.unwrap_or(0.0);
    let run = (now.millis().saturating_sub(taken_at)) as f64 / HOUR_MS;
    (run < hours).then(|| format!("the step before to have run {hours} hours; it has run {:.0}.", run.floor()))
}

/// Holds or releases the ramp.
pub(super) fn advance(
    experiment: &Experiment,
    results: &Results,
    known: &Known,
    guard: &mut KillGuard,
    now: Timestamp,
    acts: &mut Acts,
) {
    if experiment.ramp.iter().all(|step| step.condition.is_none()) {
        return;
    }
    let Stand { mut cap, waiting, wants } = stand(experiment, known, now);
    if let Some((step, taken_at)) = waiting {
        match waits_for(experiment, step, taken_at, results, now) {
            None => {
                acts.notes.push(note(experiment, step));
                let detail = format!("{}/{}", step.at, f64::from(step.traffic));
                let text = format!(
                    "The ramp goes on to {} %: every check that could be judged is fine.",
                    f64::from(step.traffic)
                );
                acts.told.push(Told::new(experiment, News::Released, &detail, text));
                cap = cap.max(f64::from(step.traffic));
            }
            Some(why) if step.at <= now && wants > cap => {
                let detail = format!("{}/{}", step.at, f64::from(step.traffic));
                let text =
                    format!("The ramp is held at {cap} %, where the document would have {wants} %: it waits for {why}");
                acts.told.push(Told::new(experiment, News::Held, &detail, text));
            }
            Some(_) => {}
        }
    }
    guard.hold.insert(experiment.id.clone(), cap);
}

/// What the page says of a ramp that is held.
pub(super) fn held(experiment: &Experiment, results: &Results, known: &Known, now: Timestamp) -> Option<Held> {
    let percent = *known.guard.hold.get(&experiment.id)?;
    let Stand { wants, waiting, .. } = stand(experiment, known, now);
    let (step, taken_at) = waiting?;
    if wants <= percent {
        return None;
    }
    let why = waits_for(experiment, step, taken_at, results, now);
    Some(Held {
        percent,
        wants,
        waits_for: format!("it waits for {}", why.unwrap_or_else(|| "the guard's next look.".to_owned())),
    })
}
