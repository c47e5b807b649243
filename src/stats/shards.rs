//! Moments of values that arrive in pieces: Welford's running form, merged by Chan's and Pébay's formulas.

use super::refusal::{Refusal, finite};

/// Count, mean and sum of squared deviations of a part of the values, optionally paired with a second value.
/// Unlike plain power sums of floats these parts lose no digits when the mean is large against the spread.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shard {
    /// Number of values.
    pub n: f64,
    /// Mean of the first value.
    pub mean: f64,
    /// Sum of squared deviations of the first value.
    pub m2: f64,
    /// Mean of the second value.
    pub mean_y: f64,
    /// Sum of squared deviations of the second value.
    pub m2_y: f64,
    /// Sum of products of deviations.
    pub c_xy: f64,
}

impl Shard {
    /// `n` equal values.
    pub fn constant(value: f64, n: f64) -> Self {
        Self { n, mean: value, ..Self::default() }
    }

    /// Both parts together; an empty part changes nothing.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        if other.n == 0.0 {
            return *self;
        }
        if self.n == 0.0 {
            return *other;
        }
        let total = self.n + other.n;
        let share = other.n / total;
        let (dx, dy) = (other.mean - self.mean, other.mean_y - self.mean_y);
        Self {
            n: total,
            mean: self.mean + dx * share,
            m2: self.m2 + other.m2 + dx * (dx * (self.n * share)),
            mean_y: self.mean_y + dy * share,
            m2_y: self.m2_y + other.m2_y + dy * (dy * (self.n * share)),
            c_xy: self.c_xy + other.c_xy + dx * (dy * (self.n * share)),
        }
    }

    fn is_valid(&self) -> bool {
        let numbers = [self.n, self.mean, self.m2, self.mean_y, self.m2_y, self.c_xy];
        numbers.iter().all(|number| number.is_finite())
            && self.n >= 0.0
            && self.n.trunc() == self.n
            && self.m2 >= 0.0
            && self.m2_y >= 0.0
    }
}

/// Sample moments of merged shards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MergedMoments {
    /// Number of values.
    pub n: f64,
    /// Mean of the first value.
    pub mean: f64,
    /// Its variance (n - 1).
    pub variance: f64,
    /// Mean of the second value.
    pub mean_y: f64,
    /// Its variance (n - 1).
    pub variance_y: f64,
    /// Covariance of both (n - 1).
    pub covariance: f64,
}

/// Merges shards in the order given; a fixed order makes reruns identical to the bit.
///
/// # Errors
/// [`Refusal::InvalidInput`] for a broken shard, [`Refusal::NoUnits`], [`Refusal::TooFewUnits`] below two values,
/// [`Refusal::NumericOverflow`].
pub fn merge(shards: &[Shard]) -> Result<MergedMoments, Refusal> {
    if !shards.iter().all(Shard::is_valid) {
        return Err(Refusal::InvalidInput);
    }
    let all = shards.iter().fold(Shard::default(), |all, shard| all.merged(shard));
    if all.n == 0.0 {
        return Err(Refusal::NoUnits);
    }
    if all.n < 2.0 {
        return Err(Refusal::TooFewUnits);
    }
    Ok(MergedMoments {
        n: finite(all.n)?,
        mean: finite(all.mean)?,
        variance: finite(all.m2 / (all.n - 1.0))?,
        mean_y: finite(all.mean_y)?,
        variance_y: finite(all.m2_y / (all.n - 1.0))?,
        covariance: finite(all.c_xy / (all.n - 1.0))?,
    })
}

/// Moments of values given as runs `(value, count)`.
///
/// They are measured from the first value, so that a large common offset costs no digits.
///
/// # Errors
/// As [`merge`].
pub fn merge_runs(runs: &[(f64, f64)]) -> Result<MergedMoments, Refusal> {
    let offset = runs.first().map_or(0.0, |run| run.0);
    let offset = if offset.is_finite() { offset } else { 0.0 };
    let shards: Vec<Shard> = runs.iter().map(|(value, count)| Shard::constant(value - offset, *count)).collect();
    let moments = merge(&shards)?;
    Ok(MergedMoments { mean: finite(moments.mean + offset)?, ..moments })
}
