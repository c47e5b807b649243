//! Quantiles of values of which a unit may have several, such as the 95th percentile of a payment's duration.
//!
//! Deng, Knoblich and Lu 2018 ("Applying the delta method in metric analytics", KDD), section 4: whether a value lies
//! below the quantile is a ratio metric of the unit, so its share has a cluster-robust standard error by the delta method.
//! The quantiles at the ends of the interval of that share are the ends of the quantile's interval, and no density has to
//! be estimated.

use super::aggregate::Aggregate;
use super::comparison::{Interval, Moments};
use super::refusal::{Refusal, finite};
use super::special::norm_isf;

/// The half width of the share's interval in standard errors: that of 95 %. The record is asked for the values at its ends.
pub const RANK_WIDTH: f64 = 1.959_963_984_540_054;

/// A quantile in one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileArm {
    /// Units; those without a value count too.
    pub n: f64,
    /// The quantile.
    pub value: f64,
    /// The value of the rank at the lower end of the share's interval.
    pub low: f64,
    /// The value of the rank at its upper end.
    pub high: f64,
}

impl QuantileArm {
    /// The interval of this arm's quantile at 95 %.
    pub fn interval(&self) -> Interval {
        Interval { low: self.low, high: self.high }
    }

    /// What a [`super::Comparison`] is made of: the standard error is half the interval over [`RANK_WIDTH`].
    ///
    /// # Errors
    /// [`Refusal::NoUnits`], [`Refusal::TooFewUnits`], [`Refusal::InvalidInput`] for ends in the wrong order.
    pub fn moments(&self) -> Result<Moments, Refusal> {
        if self.n < 1.0 {
            return Err(Refusal::NoUnits);
        }
        if self.n < 2.0 {
            return Err(Refusal::TooFewUnits);
        }
        // why: negated, so that NaN is refused too
        if !(self.low <= self.value && self.value <= self.high) {
            return Err(Refusal::InvalidInput);
        }
        let error = (self.high - self.low) / (2.0 * RANK_WIDTH);
        let (mean, variance) = (finite(self.value)?, finite(error * error * self.n)?);
        Ok(Moments { n: self.n, raw_mean: mean, mean, centred_mean: mean, variance, raw_variance: variance })
    }
}

/// The standard error of the share of values at or below the quantile. `below` is the [`Aggregate::ratio`] of how many
/// of a unit's values are, over how many it has.
///
/// # Errors
/// Those of [`Moments::of`].
pub fn share_error(below: &Aggregate) -> Result<f64, Refusal> {
    Ok(Moments::of(below)?.squared_error().sqrt())
}

/// The ranks, from 1 on, of the quantile and of the ends of its interval among `values` values.
pub fn ranks(q: f64, share_error: f64, values: u64) -> [u64; 3] {
    let rank = |share: f64| {
        let rank = (share.clamp(0.0, 1.0) * values as f64).ceil() as u64;
        rank.clamp(1, values.max(1))
    };
    // why: a product that should be whole may lie a rounding above, as 0.07 · 100 does
    let exact = |share: f64| {
        let product = share * values as f64;
        let near = libm::round(product);
        if (product - near).abs() <= 1e-9 * product.abs().max(1.0) { near as u64 } else { product.ceil() as u64 }
    };
    let middle = exact(q.clamp(0.0, 1.0)).clamp(1, values.max(1));
    [rank(q - RANK_WIDTH * share_error).min(middle), middle, rank(q + RANK_WIDTH * share_error).max(middle)]
}

/// The quantile of units' values, a list a unit.
///
/// # Errors
/// [`Refusal::NoUnits`] without a unit, [`Refusal::ZeroDenominator`] without a value, [`Refusal::InvalidInput`] for a
/// value that is not finite, and those of [`share_error`].
pub fn quantile_of(units: &[Vec<f64>], q: f64) -> Result<QuantileArm, Refusal> {
    if units.iter().flatten().any(|value| !value.is_finite()) {
        return Err(Refusal::InvalidInput);
    }
    let mut values: Vec<f64> = units.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let at = |rank: u64| values.get((rank.max(1) - 1) as usize).copied();
    let total = values.len() as u64;
    let Some(value) = at(ranks(q, 0.0, total)[1]) else {
        return Err(if units.is_empty() { Refusal::NoUnits } else { Refusal::ZeroDenominator });
    };
    let (mut m, mut mm, mut d, mut dd, mut md) = (0_i128, 0_i128, 0_i128, 0_i128, 0_i128);
    for unit in units {
        let (below, all) = (unit.iter().filter(|one| **one <= value).count() as i128, unit.len() as i128);
        (m, mm, d, dd, md) = (m + below, mm + below * below, d + all, dd + all * all, md + below * all);
    }
    let error = share_error(&Aggregate::ratio(units.len() as u64, (m, mm), (d, dd), md))?;
    let [low, _, high] = ranks(q, error, total).map(|rank| at(rank).unwrap_or(value));
    Ok(QuantileArm { n: units.len() as f64, value, low, high })
}

/// [`RANK_WIDTH`] as it is computed, for the test that holds it.
#[doc(hidden)]
pub fn rank_width() -> f64 {
    norm_isf(0.025)
}
