//! Does the effect fade or grow with the days since a unit's first exposure? A diagnosis, not a decision.

use super::aggregate::Aggregate;
use super::comparison::{Comparison, Effect};
use super::level::Level;
use super::refusal::{Refusal, finite};
use super::special::{chi2_sf, norm_sf};

/// The arms on one day since first exposure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TenureDay {
    /// Days since the unit's first exposure (not a calendar day).
    pub day: f64,
    /// The control arm.
    pub control: Aggregate,
    /// The treatment arm.
    pub treatment: Aggregate,
}

/// What the slope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trend {
    /// No significant slope.
    Stable,
    /// The effect fades.
    Novelty,
    /// The effect grows.
    Primacy,
}

impl Trend {
    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Novelty => "novelty",
            Self::Primacy => "primacy",
        }
    }
}

/// The effect's trend over tenure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TenureTrend {
    /// Change of the effect per day, by weighted least squares with known variances.
    pub slope: f64,
    /// Its standard error.
    pub std_error: f64,
    /// `slope / std_error`.
    pub z: f64,
    /// Two-sided p-value. Approximate, since days share returning units.
    pub p: f64,
    /// Weighted mean of the daily effects.
    pub pooled: f64,
    /// Its standard error.
    pub pooled_std_error: f64,
    /// Cochran's statistic of heterogeneity.
    pub q: f64,
    /// Its p-value.
    pub q_p: f64,
    /// The verdict.
    pub trend: Trend,
}

/// Days with an estimate needed for a check.
const FEWEST_DAYS: usize = 4;

/// Fits the daily effects. Days whose comparison is refused are left out.
///
/// # Errors
/// [`Refusal::TooFewUnits`] with fewer than four usable days (or days that are all the same),
/// [`Refusal::InvalidInput`] for a day that is not finite, [`Refusal::NumericOverflow`].
pub fn novelty(days: &[TenureDay], effect: Effect, alpha: Level) -> Result<TenureTrend, Refusal> {
    if !days.iter().all(|day| day.day.is_finite()) {
        return Err(Refusal::InvalidInput);
    }
    let effects: Vec<(f64, f64, f64)> = days
        .iter()
        .filter_map(|day| {
            let estimate = Comparison::of(&day.control, &day.treatment).ok()?.estimate(effect).ok()?;
            Some((day.day, estimate.effect, 1.0 / estimate.std_error / estimate.std_error))
        })
        .collect();
    if effects.len() < FEWEST_DAYS {
        return Err(Refusal::TooFewUnits);
    }
    let weight: f64 = effects.iter().map(|(_, _, w)| w).sum();
    let mean_day = effects.iter().map(|(day, _, w)| day * (w / weight)).sum::<f64>();
    let pooled = finite(effects.iter().map(|(_, est, w)| est * (w / weight)).sum::<f64>())?;
    let spread = effects.iter().map(|(day, _, w)| w * (day - mean_day) * (day - mean_day)).sum::<f64>();
    if spread <= 0.0 {
        return Err(Refusal::TooFewUnits);
    }
    let slope = effects.iter().map(|(day, est, w)| w * (day - mean_day) * (est - pooled)).sum::<f64>() / spread;
    let q = effects.iter().map(|(_, est, w)| w * (est - pooled) * (est - pooled)).sum::<f64>();
    let (slope, std_error, q) = (finite(slope)?, finite(1.0 / spread.sqrt())?, finite(q)?);
    let z = finite(slope / std_error)?;
    let p = 2.0 * norm_sf(z.abs());
    let trend = if p >= alpha.get() {
        Trend::Stable
    } else if (slope < 0.0) == (pooled > 0.0) {
        Trend::Novelty
    } else {
        Trend::Primacy
    };
    Ok(TenureTrend {
        slope,
        std_error,
        z,
        p,
        pooled,
        pooled_std_error: finite(1.0 / weight.sqrt())?,
        q,
        q_p: chi2_sf(q, u32::try_from(effects.len() - 1).unwrap_or(u32::MAX)),
        trend,
    })
}
