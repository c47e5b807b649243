//! Effects of many experiments, pulled towards each other: the largest of many estimates are large by luck too.
//!
//! Empirical Bayes: the true effects of a programme are taken as normal around a common mean with a variance of their own,
//! which the estimates show (Paule and Mandel 1982, the iterated method of moments). Each estimate is then the mean of its
//! posterior.

use super::refusal::{Refusal, finite};

/// What a programme's effects have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The mean of the true effects.
    pub mean: f64,
    /// The standard error of that mean, their variance taken as known.
    pub mean_error: f64,
    /// Their variance; 0 where the estimates differ no more than chance makes them.
    pub tau2: f64,
    /// Of each estimate: the mean of its posterior and its standard deviation, the common mean taken as known.
    pub posteriors: Vec<(f64, f64)>,
}

impl Shrunk {
    /// The sum of chosen effects and its standard deviation, which minds that the common mean is itself an estimate: what is
    /// pulled to it errs with it.
    #[must_use]
    pub fn sum(&self, estimates: &[(f64, f64)], chosen: impl Fn(usize) -> bool) -> (f64, f64) {
        let (mut sum, mut variance, mut pulled) = (0.0, 0.0, 0.0);
        for (at, ((_, error), (mean, sd))) in estimates.iter().zip(&self.posteriors).enumerate() {
            if chosen(at) {
                sum += mean;
                variance += sd * sd;
                pulled += error * error / (error * error + self.tau2);
            }
        }
        (sum, (variance + pulled * pulled * self.mean_error * self.mean_error).sqrt())
    }
}

/// Shrinks estimates, given as effect and standard error.
///
/// # Errors
/// [`Refusal::NoUnits`] without an estimate, [`Refusal::InvalidInput`] for a standard error that is not above 0,
/// [`Refusal::NumericOverflow`].
pub fn shrink(estimates: &[(f64, f64)]) -> Result<Shrunk, Refusal> {
    if estimates.is_empty() {
        return Err(Refusal::NoUnits);
    }
    let sound = |&(effect, error): &(f64, f64)| effect.is_finite() && error.is_finite() && error > 0.0;
    if !estimates.iter().all(sound) {
        return Err(Refusal::InvalidInput);
    }
    let tau2 = between_variance(estimates);
    let weight = |error: f64| 1.0 / (error * error + tau2);
    let total: f64 = estimates.iter().map(|(_, error)| weight(*error)).sum();
    let mean = finite(estimates.iter().map(|(effect, error)| effect * (weight(*error) / total)).sum())?;
    let posterior = |&(effect, error): &(f64, f64)| {
        let kept = tau2 / (tau2 + error * error);
        (mean + kept * (effect - mean), (kept * error * error).sqrt())
    };
    Ok(Shrunk { mean, mean_error: (1.0 / total).sqrt(), tau2, posteriors: estimates.iter().map(posterior).collect() })
}

/// The variance at which Cochran's statistic is what it is expected to be. The statistic falls with the variance, so it is
/// found by halving; 0 where it is below already.
fn between_variance(estimates: &[(f64, f64)]) -> f64 {
    let expected = estimates.len() as f64 - 1.0;
    let excess = |tau2: f64| {
        let weights: Vec<f64> = estimates.iter().map(|(_, error)| 1.0 / (error * error + tau2)).collect();
        let total: f64 = weights.iter().sum();
        let mean: f64 = estimates.iter().zip(&weights).map(|((effect, _), weight)| effect * (weight / total)).sum();
        estimates.iter().zip(&weights).map(|((effect, _), w)| w * (effect - mean) * (effect - mean)).sum::<f64>()
            - expected
    };
    if estimates.len() < 2 || excess(0.0) <= 0.0 {
        return 0.0;
    }
    let (low, high) = estimates
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (effect, _)| (low.min(*effect), high.max(*effect)));
    // why: at a variance of the whole range squared, times their number, the statistic is below one
    let (mut from, mut to) = (0.0, (high - low) * (high - low) * estimates.len() as f64);
    for _ in 0..200 {
        let middle = from + (to - from) / 2.0;
        if excess(middle) > 0.0 { from = middle } else { to = middle }
    }
    from + (to - from) / 2.0
}
