//! The normal effect model: a normal prior on the lift, updated by the estimate.
//!
//! A decision threshold of 90 % does not survive daily looks: an A/A test declares a false winner 26 % of the time
//! within 14 days. Decide at the planned end, or use [`super::sequential()`].

use super::comparison::{Comparison, Effect, Interval};
use super::level::Level;
use super::refusal::{Refusal, finite};
use super::special::{norm_cdf, norm_isf, norm_pdf};

/// What is believed about the lift before the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// Nothing: the posterior is the estimate.
    Flat,
    /// A normal distribution.
    Normal(NormalPrior),
}

/// A proper prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalPrior {
    mean: f64,
    sd: f64,
    scale: Effect,
}

impl NormalPrior {
    /// N(0, 0.3²) on the relative lift: 95 % of lifts within ±60 %.
    pub const DEFAULT: Self = Self { mean: 0.0, sd: 0.3, scale: Effect::Relative };

    /// A prior with this mean and standard deviation, in the unit of `scale`. `None` unless both are finite and
    /// `sd` is above 0.
    pub fn new(mean: f64, sd: f64, scale: Effect) -> Option<Self> {
        (mean.is_finite() && sd > 0.0 && sd.is_finite()).then_some(Self { mean, sd, scale })
    }

    /// Mean and standard deviation on the scale of `effect`; `None` where a control mean of zero leaves no lift to
    /// have a prior on.
    fn on_scale(&self, effect: Effect, baseline: f64) -> Option<(f64, f64)> {
        let factor = match (self.scale, effect) {
            (Effect::Relative, Effect::Absolute) => baseline,
            (Effect::Absolute, Effect::Relative) => 1.0 / baseline,
            _ => 1.0,
        };
        let (mean, sd) = (self.mean * factor, self.sd * factor);
        (mean.is_finite() && sd > 0.0 && sd.is_finite()).then_some((mean, sd))
    }
}

/// Which direction of the metric is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    HigherIsBetter,
    /// Less is better: latency, refunds, errors.
    LowerIsBetter,
}

/// What a threshold makes of the probability to beat the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// At or above the threshold.
    Winner,
    /// At or below its complement.
    Loser,
    /// In between.
    Inconclusive,
}

impl Decision {
    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Winner => "winner",
            Self::Loser => "loser",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The posterior of an effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, above 0.
    pub sd: f64,
    /// Probability that the treatment is better than the control.
    pub chance_to_win: f64,
    /// Credible interval of `1 - alpha`.
    pub interval: Interval,
    /// Expected loss of keeping the control though the treatment is better, in the effect's unit.
    pub risk_control: f64,
    /// Expected loss of taking the treatment though the control is better, in the effect's unit.
    pub risk_treatment: f64,
    /// What the threshold says.
    pub decision: Decision,
    /// Whether the prior took part. A relative prior does not where the control's mean is exactly zero.
    pub prior_applied: bool,
}

/// How to read a posterior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BayesRule {
    /// The prior.
    pub prior: Prior,
    /// Complement of the credible interval's probability.
    pub alpha: Level,
    /// Probability from which a winner is called.
    pub threshold: Level,
    /// What counts as better.
    pub direction: Direction,
}

impl Default for BayesRule {
    /// N(0, 0.3²), 95 % interval, threshold 90 %, more is better.
    fn default() -> Self {
        Self {
            prior: Prior::Normal(NormalPrior::DEFAULT),
            alpha: Level::FIVE_PERCENT,
            threshold: Level::NINETY_PERCENT,
            direction: Direction::HigherIsBetter,
        }
    }
}

/// The posterior of the effect.
///
/// # Errors
/// Those of [`Comparison::estimate`].
pub fn bayes(comparison: &Comparison, effect: Effect, rule: &BayesRule) -> Result<Posterior, Refusal> {
    let estimate = comparison.estimate(effect)?;
    let prior = match &rule.prior {
        Prior::Flat => None,
        Prior::Normal(prior) => prior.on_scale(effect, comparison.control.raw_mean.abs()),
    };
    let (mean, sd) = match prior {
        None => (estimate.effect, estimate.std_error),
        Some((prior_mean, prior_sd)) => update(prior_mean, prior_sd, estimate.effect, estimate.std_error),
    };
    let (mean, sd) = (finite(mean)?, finite(sd)?);
    if sd <= 0.0 {
        return Err(Refusal::NumericOverflow);
    }
    let z = mean / sd;
    let (above, below) = (norm_cdf(z), norm_cdf(-z));
    let gain = finite(loss(mean, sd, z))?;
    let harm = finite(loss(-mean, sd, -z))?;
    let (chance_to_win, chance_to_lose, risk_control, risk_treatment) = match rule.direction {
        Direction::HigherIsBetter => (above, below, gain, harm),
        Direction::LowerIsBetter => (below, above, harm, gain),
    };
    let threshold = rule.threshold.get();
    let decision = if chance_to_win >= threshold {
        Decision::Winner
    } else if chance_to_lose >= threshold {
        Decision::Loser
    } else {
        Decision::Inconclusive
    };
    Ok(Posterior {
        mean,
        sd,
        chance_to_win,
        interval: Interval::around(mean, norm_isf(rule.alpha.get() / 2.0) * sd)?,
        risk_control,
        risk_treatment,
        decision,
        prior_applied: prior.is_some(),
    })
}

/// The conjugate normal update. Weights are taken relative to the larger one, so that squares stay in range.
fn update(prior_mean: f64, prior_sd: f64, effect: f64, std_error: f64) -> (f64, f64) {
    let smaller = prior_sd.min(std_error);
    let root = |sd: f64| smaller / sd;
    let (w_prior, w_data) = (root(prior_sd) * root(prior_sd), root(std_error) * root(std_error));
    let total = w_prior + w_data;
    (effect * (w_data / total) + prior_mean * (w_prior / total), smaller / total.sqrt())
}

/// `E max(L, 0)` of a normal `L`; never below zero, where the closed form may fall by rounding.
fn loss(mean: f64, sd: f64, z: f64) -> f64 {
    if z == f64::NEG_INFINITY {
        return 0.0;
    }
    (sd * norm_pdf(z) + mean * norm_cdf(z)).max(0.0)
}
