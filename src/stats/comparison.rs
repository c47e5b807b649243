//! Two arms made ready for inference: means, variances, CUPED.

use super::aggregate::{Aggregate, Metric};
use super::refusal::{Refusal, finite};

/// Mean and variance of one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Number of units.
    pub n: f64,
    /// The mean without CUPED: a share, a value per unit, or a ratio.
    pub raw_mean: f64,
    /// The mean with CUPED, `raw_mean - theta * mean of x`; else `raw_mean`. Only differences of it mean anything.
    pub mean: f64,
    /// The mean with CUPED and the covariate centred on both arms, for display and Fieller's interval.
    pub centred_mean: f64,
    /// Variance of one unit (of a ratio by the delta method), with CUPED where there is a covariate.
    pub variance: f64,
    /// Variance of one unit without CUPED.
    pub raw_variance: f64,
}

impl Moments {
    /// Mean and variance of a single arm, without CUPED.
    ///
    /// # Errors
    /// Any [`Refusal`] but [`Refusal::ZeroBaseline`] and [`Refusal::ZeroVariance`]: a variance of zero is an answer.
    pub fn of(aggregate: &Aggregate) -> Result<Self, Refusal> {
        aggregate.check()?;
        let n = aggregate.n.to_f64();
        let y = aggregate.y.to_f64();
        let (mean, variance) = match aggregate.metric {
            Metric::Proportion => (y / n, (y / n) * ((n - y) / n)),
            Metric::Mean | Metric::MeanCuped => (y / n, aggregate.deviations(aggregate.y, aggregate.yy)? / (n - 1.0)),
            Metric::Ratio | Metric::RatioCuped => {
                let d = aggregate.d.to_f64();
                (y / d, aggregate.ratio_residuals()? / (n - 1.0) / (d / n) / (d / n))
            }
        };
        let (mean, variance) = (finite(mean)?, finite(variance)?);
        Ok(Self { n, raw_mean: mean, mean, centred_mean: mean, variance, raw_variance: variance })
    }

    /// Share of the variance that CUPED removed, 0 without a covariate. It may be slightly negative in one arm, as
    /// the coefficient is that of both arms.
    pub fn variance_reduction(&self) -> f64 {
        if self.raw_variance > 0.0 { 1.0 - self.variance / self.raw_variance } else { 0.0 }
    }

    /// Squared standard error of the mean.
    pub fn squared_error(&self) -> f64 {
        self.variance / self.n
    }
}

/// Covariance of the (linearised) outcome with the covariate, and the covariate's variance.
fn covariate_moments(aggregate: &Aggregate) -> Result<(f64, f64), Refusal> {
    let n = aggregate.n.to_f64();
    let variance = aggregate.deviations(aggregate.x, aggregate.xx)? / (n - 1.0);
    let covariance = if aggregate.metric.is_ratio() {
        aggregate.ratio_co_residuals() / (n - 1.0) / (aggregate.d.to_f64() / n)
    } else {
        aggregate.co_deviations(aggregate.y, aggregate.x, aggregate.yx) / (n - 1.0)
    };
    Ok((finite(covariance)?, finite(variance)?))
}

/// Treatment against control, checked: both arms have units, variance, and finite numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The control arm.
    pub control: Moments,
    /// The treatment arm.
    pub treatment: Moments,
    /// CUPED's coefficient, from the sums of both arms together; absent for metrics without a covariate.
    pub theta: Option<f64>,
}

/// The scale of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Treatment minus control, in the metric's unit. Decisions are taken on this scale.
    Absolute,
    /// The difference over the absolute value of the control's unadjusted mean, by the delta method. For display;
    /// see [`Comparison::supports_relative`].
    Relative,
}

/// An estimated effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The effect.
    pub effect: f64,
    /// Its standard error, above 0.
    pub std_error: f64,
    /// Welch's degrees of freedom, at least 1.
    pub df: f64,
}

/// An interval; its ends are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `centre` plus and minus `half_width`.
    pub(crate) fn around(centre: f64, half_width: f64) -> Result<Self, Refusal> {
        Ok(Self { low: finite(centre - half_width)?, high: finite(centre + half_width)? })
    }

    /// Whether `value` lies in the interval, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether zero lies outside.
    pub fn excludes_zero(&self) -> bool {
        !self.contains(0.0)
    }
}

impl Comparison {
    /// Compares treatment with control; both must be of one metric. With a covariate both arms are adjusted by
    /// CUPED (Deng et al. 2013) with one coefficient from their sums together.
    ///
    /// # Errors
    /// The first [`Refusal`] of the two arms, in the order of precedence.
    pub fn of(control: &Aggregate, treatment: &Aggregate) -> Result<Self, Refusal> {
        if control.metric != treatment.metric {
            return Err(Refusal::InvalidInput);
        }
        let (mut a, mut b) = both(Moments::of(control), Moments::of(treatment))?;
        if a.variance <= 0.0 || b.variance <= 0.0 {
            return Err(Refusal::ZeroVariance);
        }
        let mut theta = None;
        if control.metric.is_cuped() {
            let pooled = control.plus(treatment);
            let coefficient = cuped_coefficient(&pooled)?;
            let centre = pooled.x.to_f64() / pooled.n.to_f64();
            (a, b) = both(adjusted(control, a, coefficient, centre), adjusted(treatment, b, coefficient, centre))?;
            theta = Some(coefficient);
        }
        Ok(Self { control: a, treatment: b, theta })
    }

    /// Compares arms whose moments are known another way, such as quantiles.
    ///
    /// # Errors
    /// The first [`Refusal`] of the two arms, and [`Refusal::ZeroVariance`].
    pub fn of_moments(control: Result<Moments, Refusal>, treatment: Result<Moments, Refusal>) -> Result<Self, Refusal> {
        let (control, treatment) = both(control, treatment)?;
        if control.variance <= 0.0 || treatment.variance <= 0.0 {
            return Err(Refusal::ZeroVariance);
        }
        Ok(Self { control, treatment, theta: None })
    }

    /// Units of both arms.
    pub fn units(&self) -> f64 {
        self.control.n + self.treatment.n
    }

    /// Treatment minus control with Welch's degrees of freedom, on either scale.
    ///
    /// # Errors
    /// [`Refusal::ZeroBaseline`] for a relative effect over zero, [`Refusal::NumericOverflow`].
    pub fn estimate(&self, effect: Effect) -> Result<Estimate, Refusal> {
        let (a, b) = (&self.control, &self.treatment);
        let (error_a, error_b) = (a.squared_error(), b.squared_error());
        let difference = b.mean - a.mean;
        let (effect, std_error) = match effect {
            // Not the root of the sum: near the ends of the float range the squares would leave it.
            Effect::Absolute => (difference, libm::hypot(error_a.sqrt(), error_b.sqrt())),
            Effect::Relative => {
                let baseline = a.raw_mean.abs();
                if baseline == 0.0 {
                    return Err(Refusal::ZeroBaseline);
                }
                let from_control = b.raw_mean / a.raw_mean * (error_a.sqrt() / baseline);
                (difference / baseline, libm::hypot(error_b.sqrt() / baseline, from_control))
            }
        };
        let largest = error_a.max(error_b);
        let (share_a, share_b) = (error_a / largest, error_b / largest);
        let total = share_a + share_b;
        let df = total * total / (share_a * share_a / (a.n - 1.0) + share_b * share_b / (b.n - 1.0));
        let (effect, std_error, df) = (finite(effect)?, finite(std_error)?, finite(df)?);
        if std_error > 0.0 { Ok(Estimate { effect, std_error, df }) } else { Err(Refusal::NumericOverflow) }
    }

    /// Whether delta-method inference on the relative lift, or a prior on it, may be shown: the standard error of
    /// each arm's mean is at most 15 % of the mean (about 44 conversions). Below, the relative standard error
    /// shrinks when the treatment happens to be low, and A/A tests looked at daily gave 8 to 16 % false losers.
    pub fn supports_relative(&self) -> bool {
        const LARGEST_RELATIVE_ERROR: f64 = 0.15;
        [self.control, self.treatment]
            .iter()
            .all(|arm| arm.squared_error().sqrt() <= LARGEST_RELATIVE_ERROR * arm.raw_mean.abs())
    }

    /// Whether the control's mean is negative (profit, refunds): lifts are then over its absolute value.
    pub fn has_negative_baseline(&self) -> bool {
        self.control.raw_mean < 0.0
    }
}

/// Both values, or the refusal that comes first in the order of precedence.
fn both(a: Result<Moments, Refusal>, b: Result<Moments, Refusal>) -> Result<(Moments, Moments), Refusal> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(a.min(b)),
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
    }
}

/// `Cov(y, x) / Var(x)` of the pooled sums; zero where either does not vary.
fn cuped_coefficient(pooled: &Aggregate) -> Result<f64, Refusal> {
    // The pooled denominators may cancel only where denominators are negative; no ratio is left then.
    let outcome = Moments::of(pooled)?;
    let (covariance, variance) = covariate_moments(pooled)?;
    if variance <= 0.0 || outcome.variance <= 0.0 { Ok(0.0) } else { finite(covariance / variance) }
}

/// The arm with the covariate's part removed.
fn adjusted(aggregate: &Aggregate, arm: Moments, theta: f64, centre: f64) -> Result<Moments, Refusal> {
    let (covariance, x_variance) = covariate_moments(aggregate)?;
    let x_mean = aggregate.x.to_f64() / arm.n;
    let variance = finite(arm.variance + theta * (theta * x_variance) - 2.0 * theta * covariance)?;
    let noise = aggregate.noise(arm.variance);
    if variance < -noise {
        return Err(Refusal::InvalidInput);
    }
    if variance <= noise {
        return Err(Refusal::ZeroVariance);
    }
    Ok(Moments {
        mean: finite(arm.raw_mean - theta * x_mean)?,
        centred_mean: finite(arm.raw_mean - theta * (x_mean - centre))?,
        variance,
        ..arm
    })
}
