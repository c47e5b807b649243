//! Operations about several values of a unit, several experiments, several options.

use serde_json::Value;

use super::answer::Answer;
use super::fields::{FieldError, Fields, MAX_LIST};
use crate::stats::{self, Comparison, Effect, OptionDay, QuantileArm, Refusal};

const MAX_OPTIONS: usize = 1_000;
const MAX_DAYS: usize = 10_000;

/// A quantile of two arms, each a list of units with the list of their values.
pub(super) fn quantile(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (q, alpha) = (inputs.level_or("q", stats::Level::NINETY_PERCENT)?.get(), inputs.alpha()?);
    let arm = |name: &str| Ok(stats::quantile_of(&inputs.rows(name, MAX_LIST, MAX_LIST)?, q));
    let (a, b) = (arm("a")?, arm("b")?);
    let moments = |arm: Result<QuantileArm, Refusal>| arm.and_then(|arm| arm.moments());
    let pair = Comparison::of_moments(moments(a), moments(b));
    let test = pair.and_then(|pair| stats::welch(&pair, Effect::Absolute, alpha));
    let answer = Answer::with_status(&test, &["est", "se", "p", "ci"]);
    let answer = [("a", a), ("b", b)].into_iter().fold(answer, |answer, (name, arm)| match arm {
        Ok(arm) => answer
            .number(&format!("value_{name}"), arm.value)
            .interval(&format!("ci_{name}"), arm.interval())
            .optional(&format!("se_{name}"), arm.moments().ok().map(|m| m.squared_error().sqrt())),
        Err(_) => answer,
    });
    Ok(match test {
        Ok(test) => answer.estimate(&test.estimate).number("p", test.p).interval("ci", test.interval).done(),
        Err(_) => answer.done(),
    })
}

/// The difference of differences of the cells `none`, `second`, `first`, `both`.
pub(super) fn interaction(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let metric = inputs.metric()?;
    let cell = |name: &str| inputs.aggregate(name, metric);
    let (none, second, first, both) = (cell("none")?, cell("second")?, cell("first")?, cell("both")?);
    let test = stats::interaction([[&none, &second], [&first, &both]]);
    let answer = Answer::with_status(&test, &["est", "se", "z", "p", "relative"]);
    Ok(match test {
        Ok(test) => answer
            .number("est", test.estimate)
            .number("se", test.std_error)
            .number("z", test.z)
            .number("p", test.p)
            .optional("relative", test.relative)
            .done(),
        Err(_) => answer.done(),
    })
}

/// Options' means, their chances and the next weights: `days` is a list of days with a list of `[n, sum, sum_sq]`.
pub(super) fn bandit(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let list = inputs.list("days", MAX_DAYS)?;
    let mut days = Vec::with_capacity(list.len());
    for (day, options) in list.iter().enumerate() {
        let name = format!("days[{day}]");
        let rows = options.as_array().filter(|rows| rows.len() <= MAX_OPTIONS);
        let rows = rows.ok_or_else(|| inputs.error(&name, "must be a list of [n, sum, sum_sq], one an option"))?;
        let of = |(at, row): (usize, &Value)| {
            let numbers: Option<Vec<f64>> = row.as_array().and_then(|row| row.iter().map(Value::as_f64).collect());
            match numbers.as_deref() {
                Some([n, sum, sum_sq]) => Ok(OptionDay { n: *n, sum: *sum, sum_sq: *sum_sq }),
                _ => Err(inputs.error(&format!("{name}[{at}]"), "must be [n, sum, sum_sq]")),
            }
        };
        days.push(rows.iter().enumerate().map(of).collect::<Result<Vec<_>, FieldError>>()?);
    }
    let floor = inputs.number_or("floor", 0.05)?;
    let sign = if inputs.flag("inverse")? { -1.0 } else { 1.0 };
    let means = stats::option_means(&days);
    let answer = Answer::with_status(&means, &["mean", "se", "plain", "chance", "weights"]);
    Ok(match means {
        Ok(means) => answer
            .numbers("mean", means.iter().map(|one| one.mean))
            .numbers("se", means.iter().map(|one| one.std_error))
            .numbers("plain", means.iter().map(|one| one.plain))
            .numbers("chance", stats::chances_to_be_best(&means, sign))
            .numbers("weights", stats::thompson_weights(&means, sign, floor))
            .done(),
        Err(_) => answer.done(),
    })
}

/// Effects of many experiments, shrunk: `estimates` is a list of `[effect, standard error]`.
pub(super) fn shrink(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let mut estimates = Vec::new();
    for (index, row) in inputs.rows("estimates", MAX_LIST, 2)?.iter().enumerate() {
        let [effect, error] = row.as_slice() else {
            return Err(inputs.error(&format!("estimates[{index}]"), "must be [effect, standard error]"));
        };
        estimates.push((*effect, *error));
    }
    let shrunk = stats::shrink(&estimates);
    let answer = Answer::with_status(&shrunk, &["mean", "tau2", "shrunk", "sd"]);
    Ok(match shrunk {
        Ok(shrunk) => answer
            .number("mean", shrunk.mean)
            .number("tau2", shrunk.tau2)
            .numbers("shrunk", shrunk.posteriors.iter().map(|(mean, _)| *mean))
            .numbers("sd", shrunk.posteriors.iter().map(|(_, sd)| *sd))
            .done(),
        Err(_) => answer.done(),
    })
}
