//! The Beta-Binomial model: proportions with few conversions, where the normal model must refuse.

use super::aggregate::{Aggregate, Metric};
use super::refusal::{Refusal, finite};
use super::special::hypergeometric_sf;

/// Fewer conversions than this in an arm call for this model: the normal one is then too rough.
pub const FEW_CONVERSIONS: f64 = 44.0;

/// A Beta prior with whole parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BetaPrior {
    alpha: u32,
    beta: u32,
}

impl BetaPrior {
    /// Every rate alike: Beta(1, 1).
    pub const UNIFORM: Self = Self { alpha: 1, beta: 1 };

    /// `None` unless both are at least 1.
    pub fn new(alpha: u32, beta: u32) -> Option<Self> {
        (alpha >= 1 && beta >= 1).then_some(Self { alpha, beta })
    }
}

/// Probability and losses of two conversion rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPosterior {
    /// Probability that the treatment's rate is higher.
    pub chance_to_win: f64,
    /// Expected loss of keeping the control, in points of the rate.
    pub loss_control: f64,
    /// Expected loss of taking the treatment, in points of the rate.
    pub loss_treatment: f64,
}

/// Compares two proportions exactly, also with no conversion at all.
///
/// # Errors
/// [`Refusal::InvalidInput`] (also for other metrics and fractional conversions), [`Refusal::NoUnits`],
/// [`Refusal::NumericOverflow`] beyond 1e13 units.
pub fn bayes_beta(control: &Aggregate, treatment: &Aggregate, prior: BetaPrior) -> Result<BetaPosterior, Refusal> {
    let a = parameters(control, prior);
    let b = parameters(treatment, prior);
    let ((a, b), (c, d)) = match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(a), Err(b)) => return Err(a.min(b)),
        (Err(refusal), _) | (_, Err(refusal)) => return Err(refusal),
    };
    let mean_a = a / (a + b);
    let mean_b = c / (c + d);
    let win = beats(a, b, c, d)?;
    let win_raised_b = beats(a, b, c + 1.0, d)?;
    let win_raised_a = beats(a + 1.0, b, c, d)?;
    Ok(BetaPosterior {
        chance_to_win: finite(win)?,
        loss_control: finite((mean_b * win_raised_b - mean_a * win_raised_a).max(0.0))?,
        loss_treatment: finite((mean_a * (1.0 - win_raised_a) - mean_b * (1.0 - win_raised_b)).max(0.0))?,
    })
}

/// The posterior's two parameters.
fn parameters(aggregate: &Aggregate, prior: BetaPrior) -> Result<(f64, f64), Refusal> {
    const LARGEST: f64 = 1e13;
    let (n, converted) = (aggregate.n.to_f64(), aggregate.y.to_f64());
    let whole = |value: f64| value.is_finite() && value >= 0.0 && value.trunc() == value;
    if aggregate.metric != Metric::Proportion || !whole(n) || !whole(converted) || converted > n {
        return Err(Refusal::InvalidInput);
    }
    if n == 0.0 {
        return Err(Refusal::NoUnits);
    }
    if n > LARGEST {
        return Err(Refusal::NumericOverflow);
    }
    Ok((converted + f64::from(prior.alpha), n - converted + f64::from(prior.beta)))
}

/// `P(B > A)` for `A ~ Beta(a, b)`, `B ~ Beta(c, d)` with whole parameters: by order statistics a hypergeometric
/// tail (Thompson 1933).
fn beats(a: f64, b: f64, c: f64, d: f64) -> Result<f64, Refusal> {
    hypergeometric_sf(a, a + b - 1.0, c + d - 1.0, a + c - 1.0).ok_or(Refusal::NumericOverflow)
}
