//! A metric's sums → its comparisons.

use super::types::{ComparisonResult, Posterior};
use crate::document::{self, Guardrail, Method, MetricKind, Numerator};
use crate::ledger::answer::{Answer, Sums};
use crate::stats::{
    self, Aggregate, BayesRule, BetaPrior, Direction, Effect, Level, Margin, Moments, Number, QuantileArm,
    RatioCovariate, Refusal, Tuning, bayes, bayes_beta, fieller, sequential, watch_guardrail, welch,
};

/// One variant, ready for inference.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of a metric live on the stack for a moment")]
pub(super) enum Measured {
    /// Sums over units.
    Sums(Aggregate),
    /// A quantile of values, of which a unit may have several.
    Quantile(Result<QuantileArm, Refusal>),
}

impl Measured {
    /// Of the sums of a variant, or a part or a time of it.
    pub(super) fn of(metric: &document::Metric, sums: Sums) -> Self {
        let number = Number::Integer;
        let n = number(sums.units);
        let y = (number(sums.y), number(sums.yy));
        let ratio = || Aggregate::ratio(n, y, (number(sums.d), number(sums.dd)), number(sums.yd));
        let aggregate = match (metric.kind, metric.cuped.is_some()) {
            (MetricKind::Quantile, _) => return Self::Quantile(Err(Refusal::NoUnits)),
            (MetricKind::Ratio, false) => ratio(),
            (MetricKind::Ratio, true) => {
                let covariate = RatioCovariate {
                    x_sum: number(sums.x),
                    x_sum_sq: number(sums.xx),
                    num_x_sum: number(sums.xy),
                    den_x_sum: number(sums.xd),
                };
                Aggregate::ratio_cuped(ratio(), covariate)
            }
            (MetricKind::Proportion | MetricKind::Retention, false) => Aggregate::proportion(n, number(sums.converted)),
            (MetricKind::Mean | MetricKind::Count, false) => Aggregate::mean(n, y.0, y.1),
            (_, true) => Aggregate::mean_cuped(n, y, (number(sums.x), number(sums.xx)), number(sums.xy)),
        };
        Self::Sums(aggregate)
    }

    /// Of a variant as a whole: quantiles need its values too.
    pub(super) fn of_variant(metric: &document::Metric, answer: &Answer, variant: &str, sums: Sums) -> Self {
        if metric.kind != MetricKind::Quantile {
            return Self::of(metric, sums);
        }
        let arm = || {
            let number = Number::Integer;
            let below = Aggregate::ratio(
                number(sums.units),
                (number(sums.y), number(sums.yy)),
                (number(sums.d), number(sums.dd)),
                number(sums.yd),
            );
            let error = stats::share_error(&below)?;
            let values = u64::try_from(sums.d).map_err(|_| Refusal::InvalidInput)?;
            let ranks = stats::ranks(metric.q.unwrap_or(0.5), error, values);
            let [low, value, high] = ranks.map(|rank| answer.value_at(variant, rank.into()).map(|value| value as f64));
            match (low, value, high) {
                (Some(low), Some(value), Some(high)) => Ok(QuantileArm { n: sums.units as f64, value, low, high }),
                _ => Err(Refusal::TooFewUnits),
            }
        };
        Self::Quantile(arm())
    }

    /// Its mean, shown even where inference is refused.
    pub(super) fn mean(&self) -> Option<f64> {
        match self {
            Self::Sums(aggregate) => aggregate.raw_mean(),
            Self::Quantile(arm) => arm.ok().map(|arm| arm.value),
        }
    }

    /// Mean and variance.
    pub(super) fn moments(&self) -> Result<Moments, Refusal> {
        match self {
            Self::Sums(aggregate) => Moments::of(aggregate),
            Self::Quantile(arm) => arm.and_then(|arm| arm.moments()),
        }
    }

    /// Against the control.
    fn against(&self, control: &Self) -> Result<stats::Comparison, Refusal> {
        match (control, self) {
            (Self::Sums(control), Self::Sums(treatment)) => stats::Comparison::of(control, treatment),
            _ => stats::Comparison::of_moments(control.moments(), self.moments()),
        }
    }
}

/// Whether a metric's numbers are money, or other values in hundredths.
pub(super) fn is_scaled(metric: &document::Metric) -> bool {
    match metric.kind {
        MetricKind::Mean | MetricKind::Quantile => true,
        MetricKind::Ratio => metric.of == Numerator::Value,
        MetricKind::Proportion | MetricKind::Count | MetricKind::Retention => false,
    }
}

/// How comparisons are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) method: Method,
    /// Of a comparison: shared among the treatments where the metric decides.
    pub(super) alpha: Level,
    /// What a mean is divided by for people: minor units in a major one; 1 where nothing is.
    pub(super) scale: f64,
    /// Whether less of the metric is better.
    pub(super) direction: Direction,
    /// Units of each variant from which one whose units are all alike is compared.
    pub(super) fewest: i64,
}

/// Compares a treatment with the control. Second: the share of the variance that a covariate took.
pub(super) fn compare(
    variant: &str,
    control: &Measured,
    treatment: &Measured,
    rule: Rule,
) -> (ComparisonResult, Option<f64>) {
    let mut shown = ComparisonResult { variant: variant.to_owned(), status: "OK", ..ComparisonResult::default() };
    shown.posterior = beta(control, treatment, rule);
    let mut saved = None;
    let tested = pair(control, treatment, rule.fewest).and_then(|pair| {
        let (test, method) = match rule.method {
            Method::Fixed => (welch(&pair, Effect::Absolute, rule.alpha)?, stats::Method::Welch),
            Method::Sequential | Method::Bayesian => (
                sequential(&pair, Effect::Absolute, rule.alpha, Tuning::DEFAULT)?,
                stats::Method::Sequential(Tuning::DEFAULT),
            ),
        };
        Ok((pair, test, method))
    });
    match tested {
        Err(refusal) => shown.status = refusal.name(),
        Ok((pair, test, method)) => {
            shown.difference = Some(test.estimate.effect / rule.scale);
            shown.std_error = Some(test.estimate.std_error / rule.scale);
            shown.interval = Some([test.interval.low / rule.scale, test.interval.high / rule.scale]);
            shown.p = Some(test.p);
            shown.significant = test.significant;
            let gain = if rule.direction == Direction::HigherIsBetter { 1.0 } else { -1.0 } * test.estimate.effect;
            shown.better = if test.significant { gain.signum() as i8 } else { 0 };
            if let Ok(relative) = fieller(&pair, rule.alpha, method) {
                // why: a lift is over what the control's units really did; the interval is around the adjusted mean
                let (raw, centred) = (pair.control.raw_mean.abs(), pair.control.centred_mean.abs());
                let factor = if raw > 0.0 { centred / raw } else { 1.0 };
                shown.lift = Some(relative.lift * factor);
                shown.lift_interval = relative.interval.map(|interval| [interval.low * factor, interval.high * factor]);
            }
            saved = pair.theta.map(|_| {
                let reduced = [pair.control, pair.treatment].map(|arm| arm.variance_reduction());
                (reduced.iter().sum::<f64>() / 2.0).max(0.0)
            });
            if shown.posterior.is_none() {
                shown.posterior = normal(&pair, rule);
            }
        }
    }
    (shown, saved)
}

/// Few conversions, or none at all, are compared exactly.
fn beta(control: &Measured, treatment: &Measured, rule: Rule) -> Option<Posterior> {
    let (Measured::Sums(control), Measured::Sums(treatment)) = (control, treatment) else { return None };
    let few = [control, treatment].iter().any(|arm| arm.sum() < stats::FEW_CONVERSIONS);
    if control.metric() != stats::Metric::Proportion || !few {
        return None;
    }
    let posterior = bayes_beta(control, treatment, BetaPrior::UNIFORM).ok()?;
    let (chance, keep, take) = match rule.direction {
        Direction::HigherIsBetter => (posterior.chance_to_win, posterior.loss_control, posterior.loss_treatment),
        Direction::LowerIsBetter => (1.0 - posterior.chance_to_win, posterior.loss_treatment, posterior.loss_control),
    };
    Some(Posterior {
        chance_to_win: chance,
        interval: None,
        loss_control: keep,
        loss_treatment: take,
        decision: if chance >= 0.9 {
            "winner"
        } else if chance <= 0.1 {
            "loser"
        } else {
            "inconclusive"
        },
    })
}

fn normal(pair: &stats::Comparison, rule: Rule) -> Option<Posterior> {
    let reading = BayesRule { alpha: rule.alpha, direction: rule.direction, ..BayesRule::default() };
    let posterior = bayes(pair, Effect::Absolute, &reading).ok()?;
    Some(Posterior {
        chance_to_win: posterior.chance_to_win,
        interval: Some([posterior.interval.low / rule.scale, posterior.interval.high / rule.scale]),
        loss_control: posterior.risk_control / rule.scale,
        loss_treatment: posterior.risk_treatment / rule.scale,
        decision: posterior.decision.name(),
    })
}

/// Which way a metric counts.
pub(super) fn direction(metric: &document::Metric) -> Direction {
    match metric.direction {
        document::Direction::Up => Direction::HigherIsBetter,
        document::Direction::Down => Direction::LowerIsBetter,
    }
}

/// Which way a guardrail counts, and the relative change that it tolerates. `usual` is its metric's direction.
pub(super) fn margin(guardrail: &Guardrail, usual: Direction) -> (Direction, f64) {
    match (guardrail.min_relative, guardrail.max_relative) {
        (None, Some(most)) => (Direction::LowerIsBetter, most.abs()),
        (Some(least), _) => (Direction::HigherIsBetter, least.abs()),
        (None, None) => (usual, 0.0),
    }
}

/// A treatment against the control. Where all units of one arm are alike and it has `fewest` of them, it is taken to vary as
/// the other one does, which is what it would do if the two did not differ: a treatment in which nobody buys any more does
/// not vary, and is the first that has to be seen. The rule is one for what decides and for what is watched. Of a quantile
/// there is no such variance, and where neither arm varies there is none to take.
fn pair(control: &Measured, treatment: &Measured, fewest: i64) -> Result<stats::Comparison, Refusal> {
    let tested = treatment.against(control);
    let (Measured::Sums(a), Measured::Sums(b), Err(Refusal::ZeroVariance)) = (control, treatment, &tested) else {
        return tested;
    };
    let (mut control, mut treatment) = (control.moments()?, treatment.moments()?);
    if control.n.min(treatment.n) < fewest as f64 {
        return tested;
    }
    // why: the fewer denominators a unit has, the more its ratio varies; more of them need not make it vary less
    let thinner = |this: &Aggregate, other: &Aggregate| (other.denominators() / this.denominators()).max(1.0);
    let (constant, variance) = match (control.variance > 0.0, treatment.variance > 0.0) {
        (false, true) => (&mut control, treatment.variance * thinner(a, b).powi(2)),
        (true, false) => (&mut treatment, control.variance * thinner(b, a).powi(2)),
        // why: a covariate that says everything leaves nothing to compare, though both arms vary
        _ => return tested,
    };
    (constant.variance, constant.raw_variance) = (variance, variance);
    stats::Comparison::of_moments(Ok(control), Ok(treatment))
}

/// Says of a guardrail's comparison whether it holds, at any look from `fewest` units in each arm on.
pub(super) fn guard(
    shown: &mut ComparisonResult,
    control: &Measured,
    treatment: &Measured,
    (direction, relative): (Direction, f64),
    alpha: Level,
    fewest: i64,
) {
    shown.margin = Some(relative);
    let verdict = pair(control, treatment, fewest).and_then(|pair| {
        if pair.control.n.min(pair.treatment.n) < fewest as f64 {
            return Err(Refusal::TooFewUnits);
        }
        // why: a margin of nothing at all is none, and the decision is on the absolute scale
        let absolute = (relative * pair.control.raw_mean.abs()).max(f64::MIN_POSITIVE);
        let margin = Margin::new(absolute).ok_or(Refusal::NumericOverflow)?;
        watch_guardrail(&pair, Effect::Absolute, margin, direction, alpha, Tuning::DEFAULT)
    });
    shown.guardrail = Some(verdict.map_or("inconclusive", |watch| watch.verdict.name()));
}
