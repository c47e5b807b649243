//! The always-valid test: an asymptotic confidence sequence, which may be looked at every day.
//!
//! Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
//! sequences", arXiv:2103.06476. Valid asymptotically: it needs a finite variance and enough events per look.

use super::comparison::{Comparison, Effect, Interval};
use super::level::Level;
use super::refusal::Refusal;
use super::welch::TwoSided;

/// The number of units of both arms at which the sequence is tightest. Fixed for the life of an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning(f64);

impl Tuning {
    /// 5,000 units; costs little between 1,000 and 50,000.
    pub const DEFAULT: Self = Self(5000.0);

    /// `None` unless positive and finite.
    pub fn new(units: f64) -> Option<Self> {
        (units > 0.0 && units.is_finite()).then_some(Self(units))
    }

    /// The mixture parameter `rho` for the level `alpha`.
    pub fn rho(self, alpha: Level) -> f64 {
        let log_term = -2.0 * libm::log(alpha.get());
        ((log_term + libm::log1p(log_term)) / self.0).sqrt()
    }

    /// `n rho^2`: the mixture parameter in the time of `units` observations.
    fn scaled(self, alpha: Level, units: f64) -> f64 {
        let rho = self.rho(alpha);
        units * rho * rho
    }
}

/// Half width of the interval in standard errors, for `units` of both arms together. Tends to infinity at 0.
pub fn width_factor(tuning: Tuning, alpha: Level, units: f64) -> f64 {
    let k = tuning.scaled(alpha, units);
    (2.0 * (k + 1.0) / k * (0.5 * libm::log1p(k) - libm::log(alpha.get()))).sqrt()
}

/// The always-valid test. `p` is below `alpha` exactly when the interval excludes zero. Report the current
/// interval; "ever significant" is a valid rule for stopping.
///
/// # Errors
/// Those of [`Comparison::estimate`].
pub fn sequential(comparison: &Comparison, effect: Effect, alpha: Level, tuning: Tuning) -> Result<TwoSided, Refusal> {
    let estimate = comparison.estimate(effect)?;
    let factor = width_factor(tuning, alpha, comparison.units());
    let interval = Interval::around(estimate.effect, factor * estimate.std_error)?;
    let k = tuning.scaled(alpha, comparison.units());
    let z = estimate.effect / estimate.std_error;
    // In logarithms: the e-value itself overflows for strong effects.
    let ln_p = 0.5 * libm::log1p(k) - 0.5 * z * (z * (k / (k + 1.0)));
    let p = libm::exp(ln_p.min(0.0));
    Ok(TwoSided { estimate, p, interval, significant: p < alpha.get() })
}
