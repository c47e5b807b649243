//! Guardrails: is the treatment not worse than a margin?

use super::bayes::Direction;
use super::comparison::{Comparison, Effect, Estimate, Interval};
use super::level::Level;
use super::refusal::{Refusal, finite};
use super::sequential::{Tuning, sequential};
use super::special::{t_isf, t_sf};

/// How much worse the treatment may be, in the effect's unit; above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin(f64);

impl Margin {
    /// `None` unless positive and finite.
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value.is_finite()).then_some(Self(value))
    }

    /// The margin.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What a guardrail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Shown to be no worse than the margin.
    Pass,
    /// Shown to be worse than the control.
    Harm,
    /// Neither; not to be shown as "ok".
    Inconclusive,
}

impl Verdict {
    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Harm => "harm",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A one-sided test against the margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NonInferiority {
    /// The effect.
    pub estimate: Estimate,
    /// One-sided p-value of "worse than the margin or equal".
    pub p: f64,
    /// The one-sided bound towards the bad side at level `alpha`.
    pub bound: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// Tests a guardrail metric. One-sided and not corrected across guardrails.
///
/// # Errors
/// Those of [`Comparison::estimate`].
pub fn noninferiority(
    comparison: &Comparison,
    effect: Effect,
    margin: Margin,
    direction: Direction,
    alpha: Level,
) -> Result<NonInferiority, Refusal> {
    let estimate = comparison.estimate(effect)?;
    let Estimate { std_error, df, .. } = estimate;
    // Mirrored so that more is better; the bound is mirrored back.
    let sign = if direction == Direction::HigherIsBetter { 1.0 } else { -1.0 };
    let gain = sign * estimate.effect;
    let p = t_sf((gain + margin.0) / std_error, df);
    let bound = finite(sign * (gain - t_isf(alpha.get(), df) * std_error))?;
    let p_harm = t_sf(-gain / std_error, df);
    let verdict = if p < alpha.get() {
        Verdict::Pass
    } else if p_harm < alpha.get() {
        Verdict::Harm
    } else {
        Verdict::Inconclusive
    };
    Ok(NonInferiority { estimate, p, bound, verdict })
}

/// A guardrail under watch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuardrailWatch {
    /// The effect.
    pub estimate: Estimate,
    /// Its always-valid interval of coverage `1 - alpha`.
    pub interval: Interval,
    /// The verdict, right at any look.
    pub verdict: Verdict,
}

/// A guardrail that is looked at again and again and may end an experiment: [`noninferiority()`] with the two-sided
/// always-valid interval in the place of the one-sided bound, which is conservative.
///
/// # Errors
/// Those of [`Comparison::estimate`].
pub fn watch_guardrail(
    comparison: &Comparison,
    effect: Effect,
    margin: Margin,
    direction: Direction,
    alpha: Level,
    tuning: Tuning,
) -> Result<GuardrailWatch, Refusal> {
    let test = sequential(comparison, effect, alpha, tuning)?;
    let Interval { low, high } = test.interval;
    let (worst, best) = match direction {
        Direction::HigherIsBetter => (low, high),
        Direction::LowerIsBetter => (-high, -low),
    };
    let verdict = if worst > -margin.0 {
        Verdict::Pass
    } else if best < 0.0 {
        Verdict::Harm
    } else {
        Verdict::Inconclusive
    };
    Ok(GuardrailWatch { estimate: test.estimate, interval: test.interval, verdict })
}
