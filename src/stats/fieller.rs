//! The relative lift with Fieller's interval (Fieller 1954), the one shown beside an absolute decision: bounded,
//! it excludes zero exactly when the absolute test is significant.

use super::comparison::{Comparison, Effect, Interval};
use super::level::Level;
use super::refusal::{Refusal, finite};
use super::sequential::{Tuning, width_factor};
use super::special::t_isf;

/// Which absolute test the interval agrees with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// [`super::welch()`].
    Welch,
    /// [`super::sequential()`] with its tuning.
    Sequential(Tuning),
}

/// A relative lift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelativeLift {
    /// The lift over the absolute value of the control's mean: 0.1 is +10 %.
    pub lift: f64,
    /// Its interval; absent where the control's mean is too uncertain, for the set of lifts is then unbounded.
    pub interval: Option<Interval>,
}

/// The relative lift and its interval at level `alpha`. With CUPED both means are adjusted around the common mean
/// of the covariate.
///
/// # Errors
/// [`Refusal::ZeroBaseline`], [`Refusal::NumericOverflow`].
pub fn fieller(comparison: &Comparison, alpha: Level, method: Method) -> Result<RelativeLift, Refusal> {
    let (a, b) = (&comparison.control, &comparison.treatment);
    let baseline = a.centred_mean;
    if baseline == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    let factor = match method {
        Method::Welch => t_isf(alpha.get() / 2.0, comparison.estimate(Effect::Absolute)?.df),
        Method::Sequential(tuning) => width_factor(tuning, alpha, comparison.units()),
    };
    let quotient = finite(b.centred_mean / baseline)?;
    let error_a = a.squared_error().sqrt() / baseline.abs();
    let error_b = b.squared_error().sqrt() / baseline.abs();
    let g = (factor * error_a) * (factor * error_a);
    // Lifts count from |baseline|; below a negative baseline the quotient falls when the treatment improves.
    let mirrored = baseline < 0.0;
    let lift = finite((b.centred_mean - baseline) / baseline.abs())?;
    if g.is_nan() || g >= 1.0 {
        return Ok(RelativeLift { lift, interval: None });
    }
    let rest = 1.0 - g;
    let centre = quotient / rest;
    let half = factor / rest * libm::hypot(error_b * rest.sqrt(), quotient * error_a);
    let (low, high) = (finite(centre - half - 1.0)?, finite(centre + half - 1.0)?);
    let interval = if mirrored { Interval { low: -high, high: -low } } else { Interval { low, high } };
    Ok(RelativeLift { lift, interval: Some(interval) })
}
