//! A metric's rows → its comparisons.

use super::types::{Comparison, Posterior};
use crate::document::{Guardrail, Method, MetricKind};
use crate::ledger::readout::{Row, sum, unit};
use crate::stats::{
    self, Aggregate, BayesRule, BetaPrior, Direction, Effect, Level, Margin, Number, Tuning, bayes, bayes_beta,
    fieller, sequential, watch_guardrail, welch,
};

/// Sums of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    converted: i128,
    y: i128,
    yy: i128,
    d: i128,
    dd: i128,
    yd: i128,
}

impl Sums {
    /// The sums of the rows of a variant that `chosen` picks.
    pub(super) fn of(rows: &[Row], variant: &str, chosen: impl Fn(&Row) -> bool) -> Self {
        let mut sums = Self::default();
        for row in rows.iter().filter(|row| row.text(unit::VARIANT) == variant && chosen(row)) {
            let number = |field| i128::from(row.number(field));
            sums.converted += number(sum::CONVERTED);
            sums.y += number(sum::Y);
            sums.yy += (number(sum::YY_HIGH) << 32) + number(sum::YY_LOW);
            sums.d += number(sum::D);
            sums.dd += number(sum::DD);
            sums.yd += number(sum::YD);
        }
        sums
    }

    /// With the number of units, what statistics are made of.
    pub(super) fn aggregate(&self, kind: MetricKind, units: i64) -> Aggregate {
        let number = |value: i128| Number::Integer(value);
        let units = number(i128::from(units));
        match kind {
            MetricKind::Proportion | MetricKind::Retention => Aggregate::proportion(units, number(self.converted)),
            MetricKind::Count => Aggregate::mean(units, number(self.d), number(self.dd)),
            MetricKind::Mean | MetricKind::Quantile => Aggregate::mean(units, number(self.y), number(self.yy)),
            MetricKind::Ratio => Aggregate::ratio(
                units,
                (number(self.y), number(self.yy)),
                (number(self.d), number(self.dd)),
                number(self.yd),
            ),
        }
    }
}

/// How comparisons are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) method: Method,
    /// Of a comparison: shared among the treatments where the metric decides.
    pub(super) alpha: Level,
    /// What a mean is divided by for people: minor units in a major one; 1 for proportions.
    pub(super) scale: f64,
    /// Whether less of the metric is better.
    pub(super) direction: Direction,
}

/// Compares a treatment with the control.
pub(super) fn compare(variant: &str, control: &Aggregate, treatment: &Aggregate, rule: Rule) -> Comparison {
    let mut shown = Comparison { variant: variant.to_owned(), status: "OK", ..Comparison::default() };
    shown.posterior = beta(control, treatment, rule);
    let tested = stats::Comparison::of(control, treatment).and_then(|pair| {
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
            shown.interval = Some([test.interval.low / rule.scale, test.interval.high / rule.scale]);
            shown.p = Some(test.p);
            shown.significant = test.significant;
            if let Ok(relative) = fieller(&pair, rule.alpha, method) {
                shown.lift = Some(relative.lift);
                shown.lift_interval = relative.interval.map(|interval| [interval.low, interval.high]);
            }
            if shown.posterior.is_none() {
                shown.posterior = normal(&pair, rule);
            }
        }
    }
    shown
}

/// Few conversions, or none at all, are compared exactly.
fn beta(control: &Aggregate, treatment: &Aggregate, rule: Rule) -> Option<Posterior> {
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

/// Which way a guardrail counts, and the relative change that it tolerates.
pub(super) fn margin(guardrail: &Guardrail) -> (Direction, f64) {
    match (guardrail.min_relative, guardrail.max_relative) {
        (None, Some(most)) => (Direction::LowerIsBetter, most.abs()),
        (least, _) => (Direction::HigherIsBetter, least.unwrap_or(0.0).abs()),
    }
}

/// Says of a guardrail's comparison whether it holds, at any look.
pub(super) fn guard(
    shown: &mut Comparison,
    control: &Aggregate,
    treatment: &Aggregate,
    guardrail: &Guardrail,
    alpha: Level,
) {
    let (direction, relative) = margin(guardrail);
    shown.margin = Some(relative);
    let verdict = stats::Comparison::of(control, treatment).and_then(|pair| {
        // why: a margin of nothing at all is none, and the decision is on the absolute scale
        let absolute = (relative * pair.control.raw_mean.abs()).max(f64::MIN_POSITIVE);
        let margin = Margin::new(absolute).ok_or(stats::Refusal::NumericOverflow)?;
        watch_guardrail(&pair, Effect::Absolute, margin, direction, alpha, Tuning::DEFAULT)
    });
    shown.guardrail = Some(verdict.map_or("inconclusive", |watch| watch.verdict.name()));
}
