//! Operations about one effect.

use serde_json::Value;

use super::answer::{Answer, number};
use super::fields::{Arms, FieldError, Fields, MAX_LIST};
use crate::stats::{
    self, BayesRule, BetaPrior, Direction, Effect, Level, Margin, Method, Moments, NormalPrior, Prior, Shard,
};

pub(super) fn moments(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let aggregate = inputs.aggregate("agg", inputs.metric()?)?;
    let moments = Moments::of(&aggregate);
    // One arm that does not vary allows no test later; its mean and variance are still known.
    let status = match moments {
        Ok(moments) if moments.variance <= 0.0 => Err(stats::Refusal::ZeroVariance),
        other => other,
    };
    let answer = Answer::with_status(&status, &["var"]).optional("mean", aggregate.raw_mean());
    Ok(match moments {
        Ok(moments) => answer.number("mean", moments.mean).number("var", moments.variance).done(),
        Err(_) => answer.done(),
    })
}

pub(super) fn moments_runs(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let rows = inputs.rows("runs", MAX_LIST, 2)?;
    let mut runs = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let [value, count] = row.as_slice() else {
            return Err(inputs.error(&format!("runs[{index}]"), "must be [value, count]"));
        };
        runs.push((*value, *count));
    }
    let moments = stats::merge_runs(&runs);
    let answer = Answer::with_status(&moments, &["mean", "var"]);
    Ok(match moments {
        Ok(moments) => {
            answer.number("n", moments.n).number("mean", moments.mean).number("var", moments.variance).done()
        }
        Err(_) => answer.done(),
    })
}

pub(super) fn merge(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let entries = inputs.objects("shards", MAX_LIST)?;
    let paired = entries.iter().any(|shard| ["my", "m2y", "cxy"].iter().any(|name| shard.has(name)));
    let shards: Vec<Shard> = entries
        .iter()
        .map(|shard| {
            Ok(Shard {
                n: shard.number("n")?,
                mean: shard.number_or("mean", 0.0)?,
                m2: shard.number_or("m2", 0.0)?,
                mean_y: shard.number_or("my", 0.0)?,
                m2_y: shard.number_or("m2y", 0.0)?,
                c_xy: shard.number_or("cxy", 0.0)?,
            })
        })
        .collect::<Result<_, FieldError>>()?;
    let merged = stats::merge(&shards);
    let answer = Answer::with_status(&merged, &["n", "mean", "var"]);
    Ok(match merged {
        Ok(all) => {
            let answer = answer.set("n", count(all.n)).number("mean", all.mean).number("var", all.variance);
            if paired {
                answer.number("my", all.mean_y).number("vary", all.variance_y).number("cov", all.covariance).done()
            } else {
                answer.done()
            }
        }
        Err(_) => answer.done(),
    })
}

/// A whole number of units without a decimal point where it is one.
fn count(value: f64) -> Value {
    if value.abs() < 9.0e15 { Value::from(value as i64) } else { number(value) }
}

/// Adds the raw means and CUPED's coefficient, which are shown with every status.
fn with_arms(answer: Answer, arms: &Arms) -> Answer {
    let answer = answer.optional("mean_a", arms.control.raw_mean()).optional("mean_b", arms.treatment.raw_mean());
    match &arms.comparison {
        Ok(comparison) => {
            let answer = answer
                .set("relative_supported", comparison.supports_relative())
                .set("negative_baseline", comparison.has_negative_baseline());
            match comparison.theta {
                Some(theta) => answer.number("theta", theta),
                None => answer,
            }
        }
        Err(_) => answer,
    }
}

pub(super) fn freq(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (arms, effect, alpha) = (inputs.arms()?, inputs.effect()?, inputs.alpha()?);
    let test = arms.comparison.and_then(|comparison| stats::welch(&comparison, effect, alpha));
    let answer = with_arms(Answer::with_status(&test, &["est", "se", "df", "p", "ci", "significant"]), &arms);
    Ok(match test {
        Ok(test) => answer
            .estimate(&test.estimate)
            .number("df", test.estimate.df)
            .number("p", test.p)
            .interval("ci", test.interval)
            .set("significant", test.significant)
            .done(),
        Err(_) => answer.done(),
    })
}

pub(super) fn sequential(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (arms, effect, alpha, tuning) = (inputs.arms()?, inputs.effect()?, inputs.alpha()?, inputs.tuning()?);
    let test = arms.comparison.and_then(|comparison| stats::sequential(&comparison, effect, alpha, tuning));
    let answer = with_arms(Answer::with_status(&test, &["est", "se", "p", "ci", "significant"]), &arms)
        .number("rho", tuning.rho(alpha));
    Ok(match test {
        Ok(test) => answer
            .estimate(&test.estimate)
            .number("p", test.p)
            .interval("ci", test.interval)
            .set("significant", test.significant)
            .done(),
        Err(_) => answer.done(),
    })
}

pub(super) fn bayes(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (arms, effect) = (inputs.arms()?, inputs.effect()?);
    let direction = if inputs.flag("inverse")? { Direction::LowerIsBetter } else { Direction::HigherIsBetter };
    let rule = BayesRule {
        prior: prior(inputs)?,
        alpha: inputs.alpha()?,
        threshold: inputs.level_or("threshold", Level::NINETY_PERCENT)?,
        direction,
    };
    let posterior = arms.comparison.and_then(|comparison| stats::bayes(&comparison, effect, &rule));
    let refused = ["post_mean", "post_sd", "ctw", "ci", "risk", "decision"];
    let answer = with_arms(Answer::with_status(&posterior, &refused), &arms);
    Ok(match posterior {
        Ok(posterior) => answer
            .number("post_mean", posterior.mean)
            .number("post_sd", posterior.sd)
            .number("ctw", posterior.chance_to_win)
            .interval("ci", posterior.interval)
            .numbers("risk", [posterior.risk_control, posterior.risk_treatment])
            .set("decision", posterior.decision.name())
            .set("prior_applied", posterior.prior_applied)
            .done(),
        Err(_) => answer.done(),
    })
}

fn prior(inputs: &Fields<'_>) -> Result<Prior, FieldError> {
    if !inputs.has("prior") {
        return Ok(Prior::Normal(NormalPrior::DEFAULT));
    }
    let prior = inputs.object("prior")?;
    if prior.has("proper") && !prior.flag("proper")? {
        return Ok(Prior::Flat);
    }
    let scale = if prior.has("scale") {
        prior.choice("scale", &[("relative", Effect::Relative), ("absolute", Effect::Absolute)])?
    } else {
        Effect::Relative
    };
    let (mean, sd) = (prior.number_or("mean", 0.0)?, prior.number_or("sd", 0.3)?);
    let prior =
        NormalPrior::new(mean, sd, scale).ok_or_else(|| prior.error("sd", "must be above 0: a standard deviation"))?;
    Ok(Prior::Normal(prior))
}

pub(super) fn bayes_beta(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let metric = stats::Metric::Proportion;
    let (control, treatment) = (inputs.aggregate("a", metric)?, inputs.aggregate("b", metric)?);
    let posterior = stats::bayes_beta(&control, &treatment, beta_prior(inputs)?);
    let answer = Answer::with_status(&posterior, &["ctw", "loss"])
        .optional("mean_a", control.raw_mean())
        .optional("mean_b", treatment.raw_mean());
    Ok(match posterior {
        Ok(posterior) => answer
            .number("ctw", posterior.chance_to_win)
            .numbers("loss", [posterior.loss_control, posterior.loss_treatment])
            .done(),
        Err(_) => answer.done(),
    })
}

fn beta_prior(inputs: &Fields<'_>) -> Result<BetaPrior, FieldError> {
    if !inputs.has("prior") {
        return Ok(BetaPrior::UNIFORM);
    }
    let whole = |value: &f64| (*value >= 1.0 && *value <= 1e9 && value.trunc() == *value).then_some(*value as u32);
    let prior = match inputs.numbers("prior", 2)?.as_slice() {
        [alpha, beta] => whole(alpha).zip(whole(beta)).and_then(|(alpha, beta)| BetaPrior::new(alpha, beta)),
        _ => None,
    };
    prior.ok_or_else(|| inputs.error("prior", "must be [alpha, beta], whole numbers from 1 to 1e9"))
}

pub(super) fn fieller(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (arms, alpha) = (inputs.arms()?, inputs.alpha()?);
    let tuning = inputs.tuning()?;
    let method = inputs.choice("method", &[("welch", Method::Welch), ("sequential", Method::Sequential(tuning))])?;
    let lift = arms.comparison.and_then(|comparison| stats::fieller(&comparison, alpha, method));
    let answer = with_arms(Answer::with_status(&lift, &["est", "ci"]), &arms);
    Ok(match lift {
        Ok(lift) => {
            let answer = answer.number("est", lift.lift);
            match lift.interval {
                Some(interval) => answer.interval("ci", interval).done(),
                None => answer.set("ci", vec![Value::Null, Value::Null]).done(),
            }
        }
        Err(_) => answer.done(),
    })
}

pub(super) fn noninf(inputs: &Fields<'_>) -> Result<Value, FieldError> {
    let (arms, effect, alpha, direction) = (inputs.arms()?, inputs.effect()?, inputs.alpha()?, inputs.direction()?);
    let margin = Margin::new(inputs.number("margin")?)
        .ok_or_else(|| inputs.error("margin", "must be above 0, in the unit of the effect"))?;
    let test =
        arms.comparison.and_then(|comparison| stats::noninferiority(&comparison, effect, margin, direction, alpha));
    let answer = with_arms(Answer::with_status(&test, &["est", "se", "df", "p", "bound", "verdict"]), &arms);
    Ok(match test {
        Ok(test) => answer
            .estimate(&test.estimate)
            .number("df", test.estimate.df)
            .number("p", test.p)
            .number("bound", test.bound)
            .set("verdict", test.verdict.name())
            .done(),
        Err(_) => answer.done(),
    })
}
