//! Planning: sample size, power, minimum detectable effect, days.
//!
//! Variances are unpooled, matching the test; textbook formulas that pool them under the null differ slightly.

use std::fmt;

use super::level::Level;
use super::sequential::{Tuning, width_factor};
use super::special::{norm_isf, norm_sf};

/// The metric before the experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Baseline {
    /// A conversion rate strictly between 0 and 1.
    Proportion {
        /// The rate.
        rate: f64,
    },
    /// A value per unit, or a ratio; both arms are taken to vary alike. With CUPED give `variance * (1 - R²)`.
    Mean {
        /// Variance of one unit, above 0.
        variance: f64,
    },
}

/// Which number of a plan makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanError {
    /// The conversion rate is not strictly between 0 and 1.
    Rate,
    /// The variance is not positive and finite.
    Variance,
    /// The effect is zero, not finite, takes the rate out of 0..=1, or is too small to plan for.
    Effect,
    /// The power asked for is no larger than the error level.
    Power,
    /// Fewer than two arms, or a weight that is not positive and finite.
    Weights,
    /// An arm's size is not positive and finite.
    Units,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "the baseline rate must lie strictly between 0 and 1",
            Self::Variance => "the variance must be a positive number",
            Self::Effect => {
                "the effect must not be 0, must leave the rate within 0 and 1, and must be large enough to plan for"
            }
            Self::Power => "the power must be larger than the error level",
            Self::Weights => "at least two arms, every weight a positive number",
            Self::Units => "each arm needs a positive number of units",
        })
    }
}

impl std::error::Error for PlanError {}

impl Baseline {
    fn check(self) -> Result<(), PlanError> {
        match self {
            Self::Proportion { rate } if rate > 0.0 && rate < 1.0 => Ok(()),
            Self::Proportion { .. } => Err(PlanError::Rate),
            Self::Mean { variance } if variance > 0.0 && variance.is_finite() => Ok(()),
            Self::Mean { .. } => Err(PlanError::Variance),
        }
    }

    /// Variances of one unit in control and in a treatment with the absolute effect.
    fn variances(self, effect: f64) -> Result<(f64, f64), PlanError> {
        self.check()?;
        if effect == 0.0 || !effect.is_finite() {
            return Err(PlanError::Effect);
        }
        match self {
            Self::Proportion { rate } => {
                let treated = rate + effect;
                if !(0.0..=1.0).contains(&treated) {
                    return Err(PlanError::Effect);
                }
                Ok((rate * (1.0 - rate), treated * (1.0 - treated)))
            }
            Self::Mean { variance } => Ok((variance, variance)),
        }
    }
}

/// `z` of a two-sided error plus `z` of the power.
fn quantile_sum(alpha: Level, power: Level) -> Result<f64, PlanError> {
    if power <= alpha {
        return Err(PlanError::Power);
    }
    Ok(norm_isf(alpha.get() / 2.0) - norm_isf(power.get()))
}

/// A planned size.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSize {
    /// Units of all arms before rounding.
    pub total_raw: f64,
    /// Units per arm, control first.
    pub per_arm: Vec<u64>,
    /// Their sum.
    pub total: u64,
}

/// Units needed to find the absolute `effect` with the given power, arms weighted by `weights` (control first). For
/// several treatments give `alpha` as [`Level::shared_among`] them.
///
/// # Errors
/// [`PlanError`] naming the number at fault.
pub fn sample_size(
    baseline: Baseline,
    effect: f64,
    alpha: Level,
    power: Level,
    weights: &[f64],
) -> Result<SampleSize, PlanError> {
    let (v_control, v_treatment) = baseline.variances(effect)?;
    let k = quantile_sum(alpha, power)? / effect;
    let Some((control, treatments)) = weights.split_first() else { return Err(PlanError::Weights) };
    if treatments.is_empty() || !weights.iter().all(|weight| *weight > 0.0 && weight.is_finite()) {
        return Err(PlanError::Weights);
    }
    let all: f64 = weights.iter().map(|weight| weight / control).sum();
    let total_raw = treatments
        .iter()
        .map(|weight| k * (k * (v_control + v_treatment * (control / weight))) * all)
        .fold(0.0, f64::max);
    let arm = |weight: &f64| (total_raw * (weight / control) / all - 1e-9).ceil().max(1.0);
    // Beyond 2^53 the count itself is no longer exact, and no site has that many visitors.
    if total_raw.is_nan() || total_raw >= 9.0e15 || !all.is_finite() {
        return Err(PlanError::Effect);
    }
    let per_arm: Vec<u64> = weights.iter().map(|weight| arm(weight) as u64).collect();
    let total = per_arm.iter().sum();
    Ok(SampleSize { total_raw, per_arm, total })
}

/// Whole days until `units` have come; `None` unless `daily_units` is positive.
pub fn days_for(units: u64, daily_units: f64) -> Option<u64> {
    let days = (units as f64 / daily_units).ceil();
    (daily_units > 0.0 && days < 9.0e15).then_some(days as u64)
}

/// Power to find the absolute `effect` with `n_a` and `n_b` units, either way.
///
/// # Errors
/// [`PlanError`] naming the number at fault.
pub fn power_at(baseline: Baseline, effect: f64, alpha: Level, n_a: f64, n_b: f64) -> Result<f64, PlanError> {
    let (v_control, v_treatment) = baseline.variances(effect)?;
    check_units(n_a, n_b)?;
    let z = norm_isf(alpha.get() / 2.0);
    let d = effect / (v_control / n_a + v_treatment / n_b).sqrt();
    Ok((norm_sf(z - d) + norm_sf(z + d)).min(1.0))
}

/// The smallest absolute effect (upwards) that `n_a` and `n_b` units find with the given power; `None` where not
/// even a rate of 1 would be found.
///
/// # Errors
/// [`PlanError`] naming the number at fault.
pub fn mde_at(baseline: Baseline, alpha: Level, power: Level, n_a: f64, n_b: f64) -> Result<Option<f64>, PlanError> {
    baseline.check()?;
    check_units(n_a, n_b)?;
    let k = quantile_sum(alpha, power)?;
    let mde = match baseline {
        Baseline::Mean { variance } => k * variance.sqrt() * (1.0 / n_a + 1.0 / n_b).sqrt(),
        Baseline::Proportion { rate } => {
            // The variance of the treated rate depends on the effect: the positive root of a quadratic,
            // a x² - b x - c = 0, divided by n_a.
            let (per_a, per_b) = (k * k / n_a, k * k / n_b);
            let a = 1.0 + per_b;
            let b = per_b * (1.0 - 2.0 * rate);
            let c = rate * (1.0 - rate) * (per_a + per_b);
            let root = (b * b + 4.0 * a * c).sqrt();
            let mde = if b >= 0.0 { (b + root) / (2.0 * a) } else { 2.0 * c / (root - b) };
            if rate + mde > 1.0 {
                return Ok(None);
            }
            mde
        }
    };
    Ok(mde.is_finite().then_some(mde))
}

/// Units of both arms (even, half each) at which the sequential test finds the absolute `effect` at a single look
/// with the given power: what looking every day costs.
///
/// # Errors
/// [`PlanError`] naming the number at fault.
pub fn sequential_sample_size(
    baseline: Baseline,
    effect: f64,
    alpha: Level,
    power: Level,
    tuning: Tuning,
) -> Result<u64, PlanError> {
    let (v_control, v_treatment) = baseline.variances(effect)?;
    if power <= alpha {
        return Err(PlanError::Power);
    }
    let z_power = -norm_isf(power.get());
    let spread = (2.0 * (v_control + v_treatment)).sqrt() / effect.abs();
    // The width falls with every pair of units, so the smallest sufficient number can be bisected.
    let suffices = |pairs: u64| {
        let units = 2.0 * pairs as f64;
        (width_factor(tuning, alpha, units) + z_power) * spread <= units.sqrt()
    };
    let mut enough = 1_u64;
    while !suffices(enough) {
        if enough > 1 << 52 {
            return Err(PlanError::Effect);
        }
        enough *= 2;
    }
    let mut too_few = enough / 2;
    while too_few + 1 < enough {
        let middle = too_few + (enough - too_few) / 2;
        if suffices(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Ok(2 * enough)
}

fn check_units(n_a: f64, n_b: f64) -> Result<(), PlanError> {
    let positive = |n: f64| n > 0.0 && n.is_finite();
    if positive(n_a) && positive(n_b) { Ok(()) } else { Err(PlanError::Units) }
}
