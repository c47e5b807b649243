//! Sample ratio mismatch: did the variants get the share of units that their weights say? If not, something loses
//! or adds units in one variant, and no result can be trusted.

use super::level::Level;
use super::refusal::Refusal;
use super::special::{chi2_sf, deviance, stirling_error};

/// The chi-square test of one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioTest {
    /// The statistic; absent without any unit.
    pub chi2: Option<f64>,
    /// Degrees of freedom: arms with a weight above 0, minus one.
    pub df: u32,
    /// The p-value; absent without any unit.
    pub p: Option<f64>,
    /// `p < threshold`; blocks every decision.
    pub flagged: bool,
}

/// Shares of the arms with a weight above 0, and the positions of those arms.
fn shares(weights: &[f64]) -> Result<Vec<(usize, f64)>, Refusal> {
    if !weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) {
        return Err(Refusal::InvalidInput);
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let total: f64 = weights.iter().map(|weight| weight / largest).sum();
    let arms: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(arm, weight)| (arm, weight / largest / total))
        .filter(|(_, share)| *share > 0.0)
        .collect();
    if arms.len() < 2 { Err(Refusal::InvalidInput) } else { Ok(arms) }
}

/// One look: units per arm against the weights. Arms of weight 0 are left out.
///
/// # Errors
/// [`Refusal::InvalidInput`] for negative or non-finite numbers, lists of different length, or fewer than two arms
/// with a weight; [`Refusal::NumericOverflow`].
pub fn srm(counts: &[f64], weights: &[f64], threshold: Level) -> Result<RatioTest, Refusal> {
    let arms = shares(weights)?;
    if counts.len() != weights.len() || !counts.iter().all(|count| count.is_finite() && *count >= 0.0) {
        return Err(Refusal::InvalidInput);
    }
    let df = u32::try_from(arms.len() - 1).unwrap_or(u32::MAX);
    let counted = || arms.iter().map(|(arm, share)| (counts.get(*arm).copied().unwrap_or(0.0), *share));
    let total: f64 = counted().map(|(count, _)| count).sum();
    if total == 0.0 {
        return Ok(RatioTest { chi2: None, df, p: None, flagged: false });
    }
    let chi2: f64 = counted()
        .map(|(count, share)| {
            let expected = total * share;
            (count - expected) * ((count - expected) / expected)
        })
        .sum();
    if !chi2.is_finite() {
        return Err(Refusal::NumericOverflow);
    }
    let p = chi2_sf(chi2, df);
    Ok(RatioTest { chi2: Some(chi2), df, p: Some(p), flagged: p < threshold.get() })
}

/// The sequential test after each look.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialRatioTest {
    /// Logarithm of the Bayes factor against the weights, per look.
    pub log_bayes_factors: Vec<f64>,
    /// Always-valid p-value per look; it never rises.
    pub p: Vec<f64>,
    /// The first look (from 0) with `p < threshold`.
    pub flagged_at: Option<usize>,
}

/// How sure the sequential test's Dirichlet prior is of the weights: the sum of its parameters.
pub const DEFAULT_CONCENTRATION: f64 = 10_000.0;

/// Daily looks without inflated false alarms: Lindon & Malek 2022, "Anytime-valid inference for multinomial count
/// data". `increments` are the new units per look and arm; only the running totals matter.
///
/// The Bayes factor of two Dirichlet-multinomials is written with deviances and Stirling errors: differences of
/// `ln_gamma` lose six digits at a billion units.
///
/// # Errors
/// As [`srm`], and [`Refusal::InvalidInput`] unless `concentration` is positive.
pub fn srm_sequential(
    increments: &[Vec<f64>],
    weights: &[f64],
    concentration: f64,
    threshold: Level,
) -> Result<SequentialRatioTest, Refusal> {
    let arms = shares(weights)?;
    if !(concentration > 0.0 && concentration.is_finite()) {
        return Err(Refusal::InvalidInput);
    }
    let mut totals = vec![0.0; arms.len()];
    let mut result = SequentialRatioTest { log_bayes_factors: Vec::new(), p: Vec::new(), flagged_at: None };
    let mut p = 1.0_f64;
    for (look, counts) in increments.iter().enumerate() {
        if counts.len() != weights.len() || !counts.iter().all(|count| count.is_finite() && *count >= 0.0) {
            return Err(Refusal::InvalidInput);
        }
        for (total, (arm, _)) in totals.iter_mut().zip(&arms) {
            *total += counts.get(*arm).copied().unwrap_or(0.0);
        }
        let log_bayes_factor = log_bayes_factor(&totals, &arms, concentration);
        if !log_bayes_factor.is_finite() {
            return Err(Refusal::NumericOverflow);
        }
        p = p.min(libm::exp(-log_bayes_factor));
        if p < threshold.get() && result.flagged_at.is_none() {
            result.flagged_at = Some(look);
        }
        result.log_bayes_factors.push(log_bayes_factor);
        result.p.push(p);
    }
    Ok(result)
}

/// `ln` of the Dirichlet-multinomial likelihood over the multinomial one.
fn log_bayes_factor(totals: &[f64], arms: &[(usize, f64)], concentration: f64) -> f64 {
    let units: f64 = totals.iter().sum();
    let all = concentration + units;
    let mut sum = 0.5 * libm::log1p(units / concentration) + stirling_error(concentration) - stirling_error(all);
    for (count, (_, share)) in totals.iter().zip(arms) {
        let prior = concentration * share;
        sum += deviance(prior + count, all * share) - 0.5 * libm::log1p(count / prior) + stirling_error(prior + count)
            - stirling_error(prior);
    }
    sum
}
