//! The fixed-horizon test: Welch's two samples of unequal variance. Valid for one look at the planned end; looked
//! at daily for 14 days, an A/A test is called about 20 % of the time.

use super::comparison::{Comparison, Effect, Estimate, Interval};
use super::level::Level;
use super::refusal::Refusal;
use super::special::{t_isf, t_sf};

/// A two-sided test with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoSided {
    /// The effect.
    pub estimate: Estimate,
    /// Two-sided p-value; small ones keep their digits down to 1e-300.
    pub p: f64,
    /// Interval of coverage `1 - alpha`.
    pub interval: Interval,
    /// `p < alpha`.
    pub significant: bool,
}

/// Welch's test (Welch 1947).
///
/// # Errors
/// Those of [`Comparison::estimate`].
pub fn welch(comparison: &Comparison, effect: Effect, alpha: Level) -> Result<TwoSided, Refusal> {
    let estimate = comparison.estimate(effect)?;
    let p = 2.0 * t_sf((estimate.effect / estimate.std_error).abs(), estimate.df);
    let interval = Interval::around(estimate.effect, t_isf(alpha.get() / 2.0, estimate.df) * estimate.std_error)?;
    Ok(TwoSided { estimate, p, interval, significant: p < alpha.get() })
}
