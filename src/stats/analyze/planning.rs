//! Operations before an experiment, and the special functions themselves.

use serde_json::{Value, json};

use super::answer::{Answer, number};
use super::fields::{FieldError, Fields};
use crate::stats::{self, Baseline, Level, PlanError, special};

const MAX_ARMS: usize = 1_000;
const MAX_ARGUMENTS: usize = 100_000;

fn baseline(inputs: &Fields<'_>) -> Result<Baseline, FieldError> {
    Ok(if inputs.metric()? == stats::Metric::Proportion {
        Baseline::Proportion { rate: inputs.number("p")? }
    } else {
        Baseline::Mean { variance: inputs.number("var")? }
    })
}

/// The input field that a planning error is about.
fn blame(inputs: &Fields<'_>, error: PlanError) -> FieldError {
    let field = match error {
        PlanError::Rate => "p",
        PlanError::Variance => "var",
        PlanError::Effect => "mde",
        PlanError::Power => "power",
        PlanError::Weights => "weights",
        PlanError::Units => "n_a, n_b",
    };
    inputs.error(field, &error.to_string())
}

fn power(inputs: &Fields<'_>) -> Result<Level, FieldError> {
    inputs.level_or("power", Level::EIGHTY_PERCENT)
}

pub(super) fn power_n(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let weights = if inputs.has("weights") { inputs.numbers("weights", MAX_ARMS)? } else { vec![1.0, 1.0] };
    let bonferroni =
        inputs.has("correction") && inputs.choice("correction", &[("none", false), ("bonferroni", true)])?;
    let treatments = if bonferroni { weights.len().saturating_sub(1) } else { 1 };
    let alpha = inputs.alpha()?.shared_among(treatments);
    let size = stats::sample_size(baseline(inputs)?, inputs.number("mde")?, alpha, power(inputs)?, &weights)
        .map_err(|error| blame(inputs, error))?;
    let days = if inputs.has("daily_users") {
        let days = stats::days_for(size.total, inputs.number("daily_users")?);
        Value::from(days.ok_or_else(|| inputs.error("daily_users", "must be above 0"))?)
    } else {
        Value::Null
    };
    Ok(Answer::new()
        .number("alpha_each", alpha.get())
        .number("total_raw", size.total_raw)
        .set("n_per_arm", size.per_arm)
        .set("n_total", size.total)
        .set("days", days)
        .done())
}

pub(super) fn power_at(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (n_a, n_b) = (inputs.number("n_a")?, inputs.number("n_b")?);
    let power = stats::power_at(baseline(inputs)?, inputs.number("mde")?, inputs.alpha()?, n_a, n_b);
    Ok(json!({"power": number(power.map_err(|error| blame(inputs, error))?)}))
}

pub(super) fn mde_at(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (n_a, n_b) = (inputs.number("n_a")?, inputs.number("n_b")?);
    let mde = stats::mde_at(baseline(inputs)?, inputs.alpha()?, power(inputs)?, n_a, n_b);
    Ok(json!({"mde": mde.map_err(|error| blame(inputs, error))?.map(number)}))
}

pub(super) fn power_seq(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (alpha, power, tuning) = (inputs.alpha()?, power(inputs)?, inputs.tuning()?);
    let total = stats::sequential_sample_size(baseline(inputs)?, inputs.number("mde")?, alpha, power, tuning);
    Ok(json!({"n_total": total.map_err(|error| blame(inputs, error))?}))
}

/// A special function of one or two arguments.
#[derive(Clone, Copy)]
enum Function {
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
}

pub(super) fn specfn(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let functions: [(&str, Function); 7] = [
        ("norm_cdf", Function::One(special::norm_cdf)),
        ("norm_sf", Function::One(special::norm_sf)),
        ("norm_ppf", Function::One(special::norm_ppf)),
        ("t_sf", Function::Two(special::t_sf)),
        ("t_ppf", Function::Two(special::t_ppf)),
        ("chi2_sf", Function::Two(chi2_sf)),
        ("ln_gamma", Function::One(special::ln_gamma)),
    ];
    let function = inputs.choice("fn", &functions)?;
    let mut values = Vec::new();
    for (index, arguments) in inputs.rows("args", MAX_ARGUMENTS, 2)?.iter().enumerate() {
        values.push(match (function, arguments.as_slice()) {
            (Function::One(function), [x]) => function(*x),
            (Function::Two(function), [x, parameter]) => function(*x, *parameter),
            (Function::One(_), _) => return Err(inputs.error(&format!("args[{index}]"), "must have one number")),
            (Function::Two(_), _) => return Err(inputs.error(&format!("args[{index}]"), "must have two numbers")),
        });
    }
    Ok(Answer::new().numbers("values", values).done())
}

/// NaN unless `df` is a whole number from 1 to 1e9.
fn chi2_sf(x: f64, df: f64) -> f64 {
    let whole = (1.0..=1e9).contains(&df) && df.trunc() == df;
    if whole { special::chi2_sf(x, df as u32) } else { f64::NAN }
}
