//! An experiment on its own: its times, units, slots and reading.

use crate::document::{Analysis, Experiment, Guardrail, Problem, UnitKind};

#[inline(never)]
pub(super) fn check(experiment: &Experiment, at: &str, problems: &mut Vec<Problem>) {
    let mut report = |field: &str, message: String| problems.push(Problem::error(format!("{at}.{field}"), message));
    if experiment.iteration == 0 {
        report("iteration", "iterations count from 1: write 1, or more to start over".to_owned());
    }
    if let (Some(starts), Some(ends)) = (experiment.starts_at, experiment.ends_at)
        && ends <= starts
    {
        report(
            "ends_at",
            format!("{ends} is not after `starts_at`, {starts}: it would never run; correct one of them"),
        );
    }
    for (index, pair) in experiment.ramp.windows(2).enumerate() {
        if let [earlier, later] = pair
            && later.at <= earlier.at
        {
            report(
                &format!("ramp[{}].at", index + 1),
                format!("{} is not after the step before it, {}: put the steps in order", later.at, earlier.at),
            );
        }
    }
    if let Some(other) = experiment.else_unit {
        if experiment.unit != UnitKind::User {
            report("else_unit", "only `unit` \"user\" can be unknown: remove it, or write that unit".to_owned());
        } else if other == UnitKind::User {
            report("else_unit", "it is the same as `unit`: write \"visitor\" or \"session\"".to_owned());
        }
    }
    match (&experiment.layer, experiment.slots) {
        (Some(layer), None) => report(
            "slots",
            format!("missing: say which of layer {:?}'s 10,000 slots it owns, such as [0, 5000]", layer.as_str()),
        ),
        (None, Some(_)) => report("layer", "missing: `slots` are a range of a layer; name it".to_owned()),
        _ => {}
    }
    for (index, key) in experiment.conflicts.iter().enumerate() {
        if key.trim().is_empty() {
            report(&format!("conflicts[{index}]"), "it is empty: name the surface, such as \"hero-area\"".to_owned());
        }
    }
    if let Some(metrics) = &experiment.metrics {
        for (index, guardrail) in metrics.guardrails.iter().enumerate() {
            if let Some((field, message)) = guardrail_problem(guardrail) {
                let dot = if field.is_empty() { "" } else { "." };
                report(&format!("metrics.guardrails[{index}]{dot}{field}"), message.to_owned());
            }
        }
    }
    if let Some(analysis) = &experiment.analysis {
        for (field, message) in analysis_problems(analysis) {
            report(&format!("analysis.{field}"), message);
        }
    }
}

fn guardrail_problem(guardrail: &Guardrail) -> Option<(&'static str, &'static str)> {
    let (field, bound) = match (guardrail.min_relative, guardrail.max_relative) {
        (Some(bound), None) => ("min_relative", bound),
        (None, Some(bound)) => ("max_relative", bound),
        (None, None) => {
            return Some(("", "it has no bound: give `min_relative`, such as -0.02, where more is better"));
        }
        (Some(_), Some(_)) => {
            return Some(("", "`min_relative` and `max_relative` together: keep the one on the side that is bad"));
        }
    };
    // why: a lift of -1 is a metric that went to zero
    (!bound.is_finite() || bound <= -1.0)
        .then_some((field, "it is a lift, a number above -1: write -0.02 for 2 % less"))
}

fn analysis_problems(analysis: &Analysis) -> impl Iterator<Item = (&'static str, String)> {
    let confidence = analysis.confidence;
    let power = analysis.power;
    let wrong_confidence = !(confidence > 0.5 && confidence < 1.0);
    let wrong_power = !(power > 0.0 && power < 1.0);
    let wrong_mde = analysis.mde.filter(|mde| !(mde.is_finite() && *mde > 0.0));
    [
        wrong_confidence.then(|| ("confidence", format!("{confidence} is not between 0.5 and 1: write 0.95 for 95 %"))),
        wrong_power.then(|| ("power", format!("{power} is not between 0 and 1: write 0.8 for 80 %"))),
        wrong_mde.map(|mde| ("mde", format!("{mde} is no effect: write a relative one above 0, such as 0.02 for 2 %"))),
    ]
    .into_iter()
    .flatten()
}
